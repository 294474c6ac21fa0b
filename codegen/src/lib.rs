//! Writes the Rust signature of every WGSL kernel, so that nobody types a binding list twice.
//!
//! For each `shaders/<stem>.wgsl` it reads the module with naga and writes
//! `engine/src/kernels/<stem>.rs` (one struct per entry point, one field per binding), the module
//! list `engine/src/kernels/mod.rs`, and `engine/src/params.rs` (every `Params` struct).
//! The files are committed; `stale_files` tells which of them no longer match their shader.
//! This crate does not depend on the engine, so that a stale signature can always be renewed.

mod emit;
mod reflect;

use std::fs;
use std::path::{Path, PathBuf};

pub use reflect::{Access, Binding, EntryPoint, Field, Scalar, Shader};

/// One file that the generator would write.
pub struct Generated {
    /// Where it belongs, relative to the repository root.
    pub path: PathBuf,
    /// What it should contain.
    pub text: String,
}

/// Reads every `shaders/*.wgsl` under the repository `root`, in alphabetical order.
///
/// # Errors
/// The first shader that cannot be read, parsed or validated, with naga's own diagnosis.
pub fn read_shaders(root: &Path) -> Result<Vec<Shader>, String> {
    let folder = root.join("shaders");
    let entries = fs::read_dir(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "wgsl"))
        .collect();
    paths.sort();
    paths.iter().map(|path| Shader::read(root, path)).collect()
}

/// Everything the generator writes for the repository at `root`.
///
/// # Errors
/// As [`read_shaders`].
pub fn generate(root: &Path) -> Result<Vec<Generated>, String> {
    let shaders = read_shaders(root)?;
    let mut files = vec![
        Generated { path: "engine/src/params.rs".into(), text: emit::params(&shaders) },
        Generated { path: "engine/src/kernels/mod.rs".into(), text: emit::module_list(&shaders) },
    ];
    for shader in &shaders {
        let fast = root.join(format!("engine/src/cpu/{}.rs", shader.twin));
        let fast = fs::read_to_string(fast).unwrap_or_default();
        files.push(Generated {
            path: format!("engine/src/kernels/{}.rs", shader.stem).into(),
            text: emit::kernels(shader, &fast),
        });
    }
    Ok(files)
}

/// Names the generated files under `root` that do not match their shaders, after renewing them if `update`.
///
/// # Errors
/// As [`read_shaders`], or a file that cannot be written.
pub fn stale_files(root: &Path, update: bool) -> Result<Vec<PathBuf>, String> {
    let mut stale = Vec::new();
    for file in generate(root)? {
        let path = root.join(&file.path);
        if fs::read_to_string(&path).unwrap_or_default() == file.text {
            continue;
        }
        if update {
            fs::write(&path, &file.text).map_err(|e| format!("{}: {e}", path.display()))?;
        } else {
            stale.push(file.path);
        }
    }
    Ok(stale)
}
