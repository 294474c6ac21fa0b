//! Tensors on the host, read from and written to safetensors files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, SafeTensors, TensorView};

/// What can be wrong with a file of tensors.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be opened or read.
    #[error("{path}: expected a safetensors file: {reason}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's or the format's words.
        reason: String,
    },
    /// A tensor that should be there is not.
    #[error("{path}: expected a tensor `{name}`, found {found}")]
    MissingTensor {
        /// The file.
        path: PathBuf,
        /// Its name.
        name: String,
        /// What there is instead.
        found: String,
    },
    /// A tensor of another shape.
    #[error(
        "{path}: tensor `{name}` is {found:?}, expected {expected:?}; does config.json belong to this file?"
    )]
    WrongShape {
        /// The file.
        path: PathBuf,
        /// Its name.
        name: String,
        /// Its shape in the file.
        found: Vec<usize>,
        /// The shape that the model has.
        expected: Vec<usize>,
    },
    /// A tensor of a type that cannot stand there.
    #[error("{path}: tensor `{name}` holds {found}, expected {expected}")]
    WrongType {
        /// The file.
        path: PathBuf,
        /// Its name.
        name: String,
        /// Its type in the file.
        found: String,
        /// The types that could stand there.
        expected: &'static str,
    },
    /// NaN or infinity in a weight.
    #[error(
        "{path}: tensor `{name}` holds {value} at element {index}, expected finite numbers; the file is damaged"
    )]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// Its name.
        name: String,
        /// The first offending element.
        index: usize,
        /// Its value.
        value: f32,
    },
}

/// The numbers of a tensor on the host.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Floats; f64, f16 and bf16 are converted when read.
    F32(Vec<f32>),
    /// Integers of any width.
    I64(Vec<i64>),
}

/// A tensor on the host.
#[derive(Clone, Debug, PartialEq)]
pub struct HostTensor {
    /// Its extents.
    pub shape: Vec<usize>,
    /// Its numbers, row-major.
    pub values: Values,
}

impl HostTensor {
    /// A tensor of floats.
    pub fn f32(shape: impl Into<Vec<usize>>, values: Vec<f32>) -> Self {
        Self { shape: shape.into(), values: Values::F32(values) }
    }
}

/// A file's tensors by name.
#[derive(Debug)]
pub struct TensorFile {
    /// Where it was read.
    pub path: PathBuf,
    /// Its tensors.
    pub tensors: BTreeMap<String, HostTensor>,
}

impl TensorFile {
    /// Reads a whole safetensors file.
    ///
    /// # Errors
    /// [`FileError::Unreadable`] if it is missing, empty, truncated or of another format; [`FileError::WrongType`]
    /// for a tensor of booleans or 8-bit floats.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        let unreadable = |reason: String| FileError::Unreadable { path: path.into(), reason };
        let bytes = fs::read(path).map_err(|error| unreadable(error.to_string()))?;
        let length = bytes.len();
        if length < 8 {
            return Err(unreadable(format!(
                "found {length} bytes, the file is empty or truncated"
            )));
        }
        let parsed = SafeTensors::deserialize(&bytes)
            .map_err(|error| unreadable(format!("{error}; {length} bytes, perhaps truncated")))?;
        let mut tensors = BTreeMap::new();
        for (name, view) in parsed.tensors() {
            let values = values_of(&view).ok_or_else(|| FileError::WrongType {
                path: path.into(),
                name: name.clone(),
                found: format!("{:?}", view.dtype()),
                expected: "floats or integers",
            })?;
            tensors.insert(name, HostTensor { shape: view.shape().to_vec(), values });
        }
        Ok(Self { path: path.into(), tensors })
    }

    /// A tensor by name.
    ///
    /// # Errors
    /// [`FileError::MissingTensor`].
    pub fn get(&self, name: &str) -> Result<&HostTensor, FileError> {
        self.tensors.get(name).ok_or_else(|| {
            let mut names: Vec<&str> = self.tensors.keys().take(4).map(String::as_str).collect();
            if self.tensors.len() > names.len() {
                names.push("…");
            }
            let found = if names.is_empty() { "no tensors".into() } else { names.join(", ") };
            FileError::MissingTensor { path: self.path.clone(), name: name.into(), found }
        })
    }

    /// The floats and the shape of a tensor.
    ///
    /// # Errors
    /// [`FileError::MissingTensor`] or [`FileError::WrongType`].
    pub fn floats(&self, name: &str) -> Result<(&[usize], &[f32]), FileError> {
        let tensor = self.get(name)?;
        match &tensor.values {
            Values::F32(values) => Ok((&tensor.shape, values)),
            Values::I64(_) => Err(self.wrong_type(name, "integers", "floats")),
        }
    }

    /// The integers and the shape of a tensor.
    ///
    /// # Errors
    /// As [`TensorFile::floats`].
    pub fn integers(&self, name: &str) -> Result<(&[usize], &[i64]), FileError> {
        let tensor = self.get(name)?;
        match &tensor.values {
            Values::I64(values) => Ok((&tensor.shape, values)),
            Values::F32(_) => Err(self.wrong_type(name, "floats", "integers")),
        }
    }

    fn wrong_type(&self, name: &str, found: &str, expected: &'static str) -> FileError {
        let (path, name, found) = (self.path.clone(), name.to_string(), found.to_string());
        FileError::WrongType { path, name, found, expected }
    }
}

/// The bytes of a safetensors file with metadata `format: pt`; floats as f32, integers as i32. Write them atomically.
pub fn serialize(tensors: &BTreeMap<String, HostTensor>) -> Vec<u8> {
    let bytes: Vec<(Dtype, Vec<u8>)> = tensors
        .values()
        .map(|tensor| match &tensor.values {
            Values::F32(values) => (Dtype::F32, bytemuck::cast_slice(values).to_vec()),
            Values::I64(values) => {
                let narrow: Vec<i32> = values.iter().map(|&value| value as i32).collect();
                (Dtype::I32, bytemuck::cast_slice(&narrow).to_vec())
            }
        })
        .collect();
    let views = tensors.iter().zip(&bytes).map(|((name, tensor), (dtype, bytes))| {
        let view = TensorView::new(*dtype, tensor.shape.clone(), bytes);
        (name, view.expect("a host tensor has as many values as its shape says"))
    });
    let metadata = [("format".to_string(), "pt".to_string())].into();
    safetensors::serialize(views, Some(metadata)).expect("views of whole tensors can be serialized")
}

fn values_of(view: &TensorView<'_>) -> Option<Values> {
    let bytes = view.data();
    macro_rules! numbers {
        ($ty:ty, $map:expr) => {
            bytes
                .chunks_exact(size_of::<$ty>())
                .map(|chunk| <$ty>::from_le_bytes(chunk.try_into().expect("chunks are exact")))
                .map($map)
                .collect()
        };
    }
    Some(match view.dtype() {
        Dtype::F32 => Values::F32(numbers!(f32, |value| value)),
        Dtype::F64 => Values::F32(numbers!(f64, |value| value as f32)),
        Dtype::F16 => Values::F32(numbers!(u16, |bits| half::f16::from_bits(bits).to_f32())),
        Dtype::BF16 => Values::F32(numbers!(u16, |bits| half::bf16::from_bits(bits).to_f32())),
        Dtype::I64 => Values::I64(numbers!(i64, |value| value)),
        Dtype::I32 => Values::I64(numbers!(i32, i64::from)),
        Dtype::U32 => Values::I64(numbers!(u32, i64::from)),
        Dtype::I16 => Values::I64(numbers!(i16, i64::from)),
        Dtype::U16 => Values::I64(numbers!(u16, i64::from)),
        Dtype::I8 => Values::I64(numbers!(i8, i64::from)),
        Dtype::U8 | Dtype::BOOL => Values::I64(bytes.iter().map(|&byte| byte.into()).collect()),
        _ => return None,
    })
}
