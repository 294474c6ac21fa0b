//! Batches as `wgrad grad` takes them: safetensors with i32 ids, u8 masks and labels where −100 means none.

use wgrad_engine::Device;
use wgrad_engine::file::TensorFile;
use wgrad_engine::ops::{Rows, Targets, Visibility};
use wgrad_models::bert::Config;
use wgrad_models::{Tokens, Visible};

use super::BatchError;
use super::token_rows::TokenRows;

/// A label that counts for nothing.
pub const IGNORED: i64 = -100;

/// Ids, mask and token types of a file.
pub struct FileTokens {
    shape: [usize; 2],
    ids: Vec<u32>,
    types: Option<Vec<u32>>,
    mask: Vec<u8>,
}

impl FileTokens {
    /// Reads `ids`, `mask` and, if there, `token_type_ids`.
    pub fn read(
        file: &TensorFile,
        (ids, mask): (&'static str, &'static str),
    ) -> Result<Self, BatchError> {
        let (shape, values) = file.integers(ids)?;
        let &[rows, columns] = shape else {
            return Err(malformed(file, ids, format!("is {shape:?}, expected [B, T]")));
        };
        let ids = unsigned(file, ids, values)?;
        let mask: Vec<u8> =
            shaped(file, mask, &[rows, columns])?.iter().map(|&bit| u8::from(bit != 0)).collect();
        let types = match file.tensors.contains_key("token_type_ids") {
            true => {
                let types = shaped(file, "token_type_ids", &[rows, columns])?;
                Some(unsigned(file, "token_type_ids", types)?)
            }
            false => None,
        };
        Ok(Self { shape: [rows, columns], ids, types, mask })
    }

    /// All of them.
    pub fn rows(&self) -> TokenRows<'_> {
        let (types, visible) = (self.types.as_deref(), Visible::Mask(&self.mask));
        TokenRows { shape: self.shape, ids: &self.ids, types, visible }
    }
}

/// The tokens of `ids`, `mask` and, if there, `token_type_ids`.
pub fn tokens(
    device: &Device,
    config: &Config,
    file: &TensorFile,
    names: (&'static str, &'static str),
) -> Result<Tokens, BatchError> {
    let tokens = FileTokens::read(file, names)?;
    tokens.rows().upload(device, config, 0..tokens.shape[0])
}

/// The rows of `[B, T]` that `labels` labels, and their labels.
pub fn labels(
    device: &Device,
    config: &Config,
    file: &TensorFile,
    name: &'static str,
    [rows, columns]: [usize; 2],
) -> Result<(Rows, Targets), BatchError> {
    let (at, labels) = host_labels(config, file, name, [rows, columns])?;
    let rows = Rows::new(device, &at, rows * columns).expect("labels are found in order");
    Ok((rows, Targets::new(device, &labels, config.vocab_size)))
}

/// The flat places of `[B, T]` that `labels` labels, and their labels.
pub fn host_labels(
    config: &Config,
    file: &TensorFile,
    name: &'static str,
    shape: [usize; 2],
) -> Result<(Vec<u32>, Vec<u32>), BatchError> {
    let values = label_values(config, file, name, shape)?;
    let labelled = values.iter().enumerate();
    Ok(labelled.filter_map(|(at, &label)| Some((at as u32, label?))).unzip())
}

/// The label at each place of `labels` `[B, T]`, if it has one.
pub fn label_values(
    config: &Config,
    file: &TensorFile,
    name: &'static str,
    shape: [usize; 2],
) -> Result<Vec<Option<u32>>, BatchError> {
    let limit = config.vocab_size;
    let label = |&value: &i64| match u32::try_from(value) {
        _ if value == IGNORED => Ok(None),
        Ok(label) if (label as usize) < limit => Ok(Some(label)),
        _ => {
            let problem = format!("holds label {value}, expected −100 or below {limit}");
            Err(malformed(file, name, problem))
        }
    };
    shaped(file, name, &shape)?.iter().map(label).collect()
}

/// The ids `name` `[B, T]`, each a row of the word table.
pub fn ids(
    config: &Config,
    file: &TensorFile,
    name: &'static str,
    shape: [usize; 2],
) -> Result<Vec<u32>, BatchError> {
    let ids = unsigned(file, name, shaped(file, name, &shape)?)?;
    if let Some(id) = ids.iter().find(|&&id| id as usize >= config.vocab_size) {
        let problem = format!("holds id {id}, expected ids below {}", config.vocab_size);
        return Err(malformed(file, name, problem));
    }
    Ok(ids)
}

/// The flat places of `name` `[B, T]` whose value `is_marked`, increasing.
pub fn marked(
    file: &TensorFile,
    name: &'static str,
    shape: [usize; 2],
    is_marked: impl Fn(i64) -> bool,
) -> Result<Vec<u32>, BatchError> {
    let values = shaped(file, name, &shape)?.iter().enumerate();
    Ok(values.filter(|(_, value)| is_marked(**value)).map(|(at, _)| at as u32).collect())
}

/// The visibility `name` u8 `[B, T, T]`, 1 where a row may see a column.
pub fn visible(
    device: &Device,
    file: &TensorFile,
    name: &'static str,
    [rows, columns]: [usize; 2],
) -> Result<Visibility, BatchError> {
    let values = shaped(file, name, &[rows, columns, columns])?;
    let words = columns.div_ceil(32);
    let mut bits = vec![0_u32; rows * columns * words];
    for (row, seen) in bits.chunks_exact_mut(words).zip(values.chunks_exact(columns)) {
        for (column, _) in seen.iter().enumerate().filter(|(_, bit)| **bit != 0) {
            row[column / 32] |= 1 << (column % 32);
        }
    }
    Ok(Visibility::all().and_bits(device, [rows, columns, columns], &bits))
}

/// The axes of `name` `[B, N]`.
pub fn two_axes(file: &TensorFile, name: &'static str) -> Result<[usize; 2], BatchError> {
    let (shape, _) = file.integers(name)?;
    let two = shape.try_into();
    two.map_err(|_| malformed(file, name, format!("is {shape:?}, expected two axes")))
}

/// The integers of `name`, which must have this shape.
pub fn shaped<'a>(
    file: &'a TensorFile,
    name: &'static str,
    expected: &[usize],
) -> Result<&'a [i64], BatchError> {
    let (shape, values) = file.integers(name)?;
    if shape != expected {
        return Err(malformed(file, name, format!("is {shape:?}, expected {expected:?}")));
    }
    Ok(values)
}

/// Ids, none of them negative.
pub fn unsigned(
    file: &TensorFile,
    name: &'static str,
    values: &[i64],
) -> Result<Vec<u32>, BatchError> {
    let offender = |value: &i64| format!("holds {value}, expected an id of 0 or more");
    let convert =
        |value: &i64| u32::try_from(*value).map_err(|_| malformed(file, name, offender(value)));
    values.iter().map(convert).collect()
}

/// What is wrong with `name`.
pub fn malformed(file: &TensorFile, name: &'static str, problem: String) -> BatchError {
    BatchError::Malformed { path: file.path.clone(), name, problem }
}
