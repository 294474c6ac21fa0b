//! Which files of a model directory hold its tensors.
//!
//! Hugging Face's `model.safetensors`, or else `pytorch_model.bin`, either whole or in parts that an index names; beside
//! it `head.safetensors`, or Condenser's own `model.pt`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use wgrad_engine::file::{FileError, HostTensor, TensorFile};

use super::{Error, pytorch};

/// Tensors by their published names.
pub type Tensors = BTreeMap<String, HostTensor>;

/// The model's files, in the order of preference.
const MODELS: [&str; 4] = [
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
];

/// The tensors of a directory's model, and the file that stands for them in messages.
///
/// # Errors
/// [`Error`], naming the file.
pub fn model(dir: &Path) -> Result<TensorFile, Error> {
    match MODELS.map(|name| dir.join(name)).into_iter().find(|path| path.exists()) {
        Some(path) if path.extension().is_some_and(|extension| extension == "json") => parts(&path),
        Some(path) => open(&path),
        None => {
            let path = dir.join(MODELS[0]);
            let found = fs::metadata(&path).err().map(|error| error.to_string());
            let reason = format!("{}; nor is there a pytorch_model.bin", found.unwrap_or_default());
            Err(FileError::Unreadable { path, reason }.into())
        }
    }
}

/// The heads beside a model: none, or those of one file.
///
/// # Errors
/// [`Error`], naming the file.
pub fn heads(dir: &Path) -> Result<Option<Tensors>, Error> {
    let paths = ["head.safetensors", "model.pt"].map(|name| dir.join(name));
    let path = paths.iter().find(|path| path.exists());
    path.map(|path| Ok(open(path)?.tensors)).transpose()
}

/// Reads a file by what its name says that it is.
fn open(path: &Path) -> Result<TensorFile, Error> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("bin" | "pt") => pytorch::read(path),
        _ => Ok(TensorFile::open(path)?),
    }
}

/// What an index file says: in which file each tensor lies.
#[derive(serde::Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

fn parts(path: &Path) -> Result<TensorFile, Error> {
    let wrong = |reason: String| Error::Index { path: path.into(), reason };
    let text = fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let index: Index = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    let mut tensors = BTreeMap::new();
    let mut files: BTreeMap<&str, TensorFile> = BTreeMap::new();
    for (name, file) in &index.weight_map {
        if Path::new(file).file_name() != Some(file.as_ref()) {
            return Err(wrong(format!("`{name}` lies in `{file}`, which is no file beside it")));
        }
        if !files.contains_key(file.as_str()) {
            files.insert(file, open(&path.with_file_name(file))?);
        }
        let part = files.get_mut(file.as_str()).expect("it was just opened");
        part.get(name)?;
        tensors.extend(part.tensors.remove_entry(name));
    }
    Ok(TensorFile { path: path.into(), tensors })
}
