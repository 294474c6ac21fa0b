//! Files of `torch.save`, read without Python: tensors come out, and nothing of the file is ever run.
//!
//! A file is a zip archive of stored entries: `<name>/data.pkl` says which tensors there are, `<name>/data/<key>` are the
//! bytes that they look at (pytorch at 2.15, `torch/serialization.py`, `_save`).

mod archive;
mod pickle;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use half::{bf16, f16};
use wgrad_engine::file::{HostTensor, TensorFile, Values};

use super::Error;
use archive::Archive;
use pickle::{Kind, Tensor};

/// Bytes of all tensors together, as a multiple of those of the file: i64 from bytes is 8, each tied twice is 16. A small
/// file whose many names share one storage cannot fill the memory.
const MOST_GROWTH: usize = 16;

/// Reads a whole file.
///
/// # Errors
/// [`Error::PyTorch`] for anything but an archive whose pickle is a dictionary of tensors: a truncated one, a format from
/// before PyTorch 1.6, or any class or function that is no part of a tensor.
pub fn read(path: &Path) -> Result<TensorFile, Error> {
    let wrong = |reason: String| Error::PyTorch { path: path.into(), reason };
    let bytes = fs::read(path).map_err(|error| wrong(error.to_string()))?;
    let tensors = parse(&bytes).map_err(wrong)?;
    Ok(TensorFile { path: path.into(), tensors })
}

/// Reads the bytes of a whole file.
///
/// # Errors
/// As [`read`], in one line without the path.
pub fn parse(bytes: &[u8]) -> Result<BTreeMap<String, HostTensor>, String> {
    if bytes.first() == Some(&0x80) {
        return Err(
            "found the format from before PyTorch 1.6, which is no zip archive; write it again by \
             torch.save(torch.load(file, weights_only=True), file)"
                .into(),
        );
    }
    let archive = Archive::read(bytes)?;
    if archive.find("byteorder").is_some_and(|order| order != b"little") {
        return Err(
            "found numbers in big-endian order; write it again on a machine of today".into()
        );
    }
    let pickle = archive
        .find("data.pkl")
        .ok_or("found a zip archive without data.pkl, which torch.save writes into it")?;
    let mut left = bytes.len().saturating_mul(MOST_GROWTH);
    let mut tensors = BTreeMap::new();
    for (name, tensor) in pickle::state_dict(pickle)? {
        let wrong = |problem: String| format!("tensor `{name}` {problem}");
        let values = values(&tensor, &archive, &mut left).map_err(wrong)?;
        let shape = tensor.size.clone();
        tensors.insert(name.to_string(), HostTensor { shape, values });
    }
    Ok(tensors)
}

/// The numbers of a tensor in row-major order; what they take is taken from `left`.
fn values(tensor: &Tensor, archive: &Archive<'_>, left: &mut usize) -> Result<Values, String> {
    let Tensor { storage, offset, size, stride } = tensor;
    let (key, width) = (&storage.key, storage.kind.width());
    let bytes = archive
        .find(&format!("data/{key}"))
        .ok_or_else(|| format!("lies in data/{key}, which the archive lacks"))?;
    if storage.elements.checked_mul(width) != Some(bytes.len()) {
        return Err(format!(
            "lies in data/{key}, expected {} numbers of {width} bytes, found {} bytes",
            storage.elements,
            bytes.len()
        ));
    }
    if size.len() != stride.len() {
        return Err(format!("has sizes {size:?} and strides {stride:?}, expected as many"));
    }
    let elements = size.iter().try_fold(1_usize, |all, &extent| all.checked_mul(extent));
    let elements = elements.filter(|&all| all <= storage.elements).ok_or_else(|| {
        format!("is {size:?} over a storage of {} numbers, which repeats them", storage.elements)
    })?;
    let taken = elements.saturating_mul(width.max(4));
    *left = left.checked_sub(taken).ok_or_else(|| {
        format!("is one of too many over the same numbers: more than {MOST_GROWTH} times the file")
    })?;
    let steps = size.iter().zip(stride);
    let last =
        steps.filter(|(extent, _)| **extent > 1).try_fold(*offset, |last, (extent, step)| {
            last.checked_add((extent - 1).checked_mul(*step)?)
        });
    if elements > 0 && last.is_none_or(|last| last >= storage.elements) {
        return Err(format!(
            "is {size:?} in steps of {stride:?} from {offset}, beyond its storage of {} numbers",
            storage.elements
        ));
    }
    let dense = in_order(bytes, width, elements, tensor);
    Ok(numbers(&dense, storage.kind))
}

/// The bytes of `elements` numbers of a tensor within its storage, row-major.
fn in_order<'a>(bytes: &'a [u8], width: usize, elements: usize, tensor: &Tensor) -> Cow<'a, [u8]> {
    let Tensor { offset, size, stride, .. } = tensor;
    if elements == 0 {
        return Cow::Borrowed(&[]);
    }
    let mut dense = 1;
    let is_dense = size.iter().zip(stride).rev().all(|(&extent, &step)| {
        let fits = extent == 1 || step == dense;
        dense *= extent;
        fits
    });
    if is_dense {
        return Cow::Borrowed(&bytes[offset * width..(offset + elements) * width]);
    }
    let mut at = vec![0; size.len()];
    let mut ordered = Vec::with_capacity(elements * width);
    for _ in 0..elements {
        let place = at.iter().zip(stride).fold(*offset, |place, (&at, &step)| place + at * step);
        ordered.extend_from_slice(&bytes[place * width..][..width]);
        for axis in (0..at.len()).rev() {
            at[axis] += 1;
            if at[axis] < size[axis] {
                break;
            }
            at[axis] = 0;
        }
    }
    Cow::Owned(ordered)
}

fn numbers(bytes: &[u8], kind: Kind) -> Values {
    fn each<const N: usize, T>(bytes: &[u8], number: impl Fn([u8; N]) -> T) -> Vec<T> {
        let chunks = bytes.chunks_exact(N);
        chunks.map(|chunk| number(chunk.try_into().expect("chunks are exact"))).collect()
    }
    match kind {
        Kind::F32 => Values::F32(each(bytes, f32::from_le_bytes)),
        Kind::F64 => Values::F32(each(bytes, |number| f64::from_le_bytes(number) as f32)),
        Kind::F16 => Values::F32(each(bytes, |number| f16::from_le_bytes(number).to_f32())),
        Kind::Bf16 => Values::F32(each(bytes, |number| bf16::from_le_bytes(number).to_f32())),
        Kind::I64 => Values::I64(each(bytes, i64::from_le_bytes)),
        Kind::Byte => Values::I64(each(bytes, |[byte]| byte.into())),
    }
}
