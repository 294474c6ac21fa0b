//! Where the Rust sources of a package lie.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::Error;

/// A folder of Rust sources and the name of the package they belong to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// The package's name, as on crates.io.
    pub name: String,
    /// The folder that holds `lib.rs` or `main.rs`, usually `src`.
    pub sources: PathBuf,
}

impl Package {
    /// The module that `file` holds by Rust's rules of naming: `src/a/b.rs` and `src/a/b/mod.rs`
    /// are `crate_name::a::b`, `src/lib.rs` is `crate_name`.
    pub(super) fn module_of(&self, file: &Path) -> String {
        let relative = file.strip_prefix(&self.sources).unwrap_or(file).with_extension("");
        let mut path = vec![self.name.replace('-', "_")];
        path.extend(relative.iter().map(|part| part.to_string_lossy().into_owned()));
        if matches!(path[1..], [.., ref last] if last == "mod")
            || matches!(path[1..], [ref only] if only == "lib" || only == "main")
        {
            path.pop();
        }
        path.join("::")
    }
}

/// The packages of a `Cargo.lock` whose sources cargo keeps in `cargo_home`.
///
/// Cargo downloads only what the host's build needs, so packages without sources are passed over.
/// (`cargo metadata` would refuse the whole tree for one development dependency that was never
/// downloaded.)
///
/// # Errors
/// [`Error::Io`] or [`Error::LockFile`] for `lock_file`, [`Error::Nothing`] if no package's sources
/// are there.
pub fn locked_packages(lock_file: &Path, cargo_home: &Path) -> Result<Vec<Package>, Error> {
    #[derive(Deserialize)]
    struct Lock {
        package: Vec<Locked>,
    }
    #[derive(Deserialize)]
    struct Locked {
        name: String,
        version: String,
    }
    let text = fs::read_to_string(lock_file)
        .map_err(|source| Error::Io { path: lock_file.to_owned(), source })?;
    let lock: Lock = toml::from_str(&text).map_err(|error| Error::LockFile {
        path: lock_file.to_owned(),
        reason: error.message().to_owned(),
    })?;

    let registries = cargo_home.join("registry").join("src");
    let registries_there = if registries.is_dir() { entries(&registries)? } else { Vec::new() };
    let mut packages = Vec::new();
    for Locked { name, version } in lock.package {
        let folder = format!("{name}-{version}");
        let sources = registries_there.iter().map(|registry| registry.join(&folder).join("src"));
        packages.extend(
            sources.filter(|s| s.is_dir()).map(|s| Package { name: name.clone(), sources: s }),
        );
    }
    if packages.is_empty() {
        return Err(Error::Nothing {
            expected: "sources of the locked packages",
            path: registries,
        });
    }
    Ok(packages)
}

/// The packages under `folders`: every folder that has a `src`, at any depth. A folder without any
/// such is taken as the sources of a package of its own name.
///
/// # Errors
/// [`Error::Io`] for a folder that cannot be read.
pub fn packages_in(folders: &[PathBuf]) -> Result<Vec<Package>, Error> {
    let mut packages = Vec::new();
    for folder in folders {
        let before = packages.len();
        find_packages(folder, &mut packages)?;
        if packages.len() == before {
            packages.push(Package { name: package_name(folder), sources: folder.clone() });
        }
    }
    Ok(packages)
}

/// `CARGO_HOME`, or `.cargo` in the user's home.
pub fn default_cargo_home() -> Option<PathBuf> {
    let named = std::env::var_os("CARGO_HOME").filter(|home| !home.is_empty());
    named.map(PathBuf::from).or_else(|| std::env::home_dir().map(|home| home.join(".cargo")))
}

/// All `.rs` files under `folder`, sorted.
pub(super) fn rust_files(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut files = Vec::new();
    for path in entries(folder)? {
        if is_real_folder(&path) {
            files.extend(rust_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") && path.is_file() {
            files.push(path);
        }
    }
    Ok(files)
}

fn find_packages(folder: &Path, packages: &mut Vec<Package>) -> Result<(), Error> {
    for path in entries(folder)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if !is_real_folder(&path) || name == "target" || name.starts_with('.') {
            continue;
        }
        if name == "src" {
            packages.push(Package { name: package_name(folder), sources: path });
        } else {
            find_packages(&path, packages)?;
        }
    }
    Ok(())
}

/// The folder's name without the version that cargo's registry appends.
fn package_name(folder: &Path) -> String {
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let is_version =
        |text: &str| text.starts_with(|c: char| c.is_ascii_digit()) && text.contains('.');
    match name.match_indices('-').find(|(dash, _)| is_version(&name[dash + 1..])) {
        Some((dash, _)) => name[..dash].to_owned(),
        None => name,
    }
}

/// A folder and no link to one, which could lead round in circles.
fn is_real_folder(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir())
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let io = |source| Error::Io { path: folder.to_owned(), source };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(io)? {
        paths.push(entry.map_err(io)?.path());
    }
    paths.sort();
    Ok(paths)
}
