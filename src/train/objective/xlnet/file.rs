//! XLNet's batches as `wgrad grad` takes them.

use wgrad_engine::file::TensorFile;
use wgrad_engine::{Device, Tensor};
use wgrad_models::bert::Config;
use wgrad_models::xlnet;

use super::memories::Parts;
use crate::data::masking::words_per_row;
use crate::train::objective::{BatchError, batch_file};

/// The host arrays of a batch in a file.
pub struct FileBatch {
    /// B and T.
    pub shape: [usize; 2],
    /// `[B, T]`.
    pub ids: Vec<u32>,
    /// `[B, T]`, if given.
    pub segments: Option<Vec<u32>>,
    /// `[B, T, ⌈T/32⌉]`.
    pub visible: Vec<u32>,
    /// `[B, P]`.
    pub places: Vec<Option<u32>>,
}

impl FileBatch {
    /// Reads `input_ids`, `attention_mask` and `token_type_ids` if there, `perm_mask` and `target_positions`;
    /// the rows are of `parts` equal parts.
    pub fn read(config: &Config, file: &TensorFile, parts: usize) -> Result<Self, BatchError> {
        let shape = batch_file::two_axes(file, "input_ids")?;
        let [rows, tokens] = shape;
        if !rows.is_multiple_of(parts) {
            let problem = format!("has {rows} rows, expected a multiple of {parts} by bi_data");
            return Err(batch_file::malformed(file, "input_ids", problem));
        }
        let ids = batch_file::ids(config, file, "input_ids", shape)?;
        let mask = batch_file::shaped(file, "attention_mask", &shape)?;
        let segments = match file.tensors.contains_key("token_type_ids") {
            true => Some(batch_file::unsigned(
                file,
                "token_type_ids",
                batch_file::shaped(file, "token_type_ids", &shape)?,
            )?),
            false => None,
        };
        let hidden = batch_file::shaped(file, "perm_mask", &[rows, tokens, tokens])?;
        let words = words_per_row(tokens);
        let mut visible = vec![0_u32; rows * tokens * words];
        for (at, bits) in visible.chunks_exact_mut(words).enumerate() {
            for column in 0..tokens {
                let sees =
                    hidden[at * tokens + column] == 0 && mask[at / tokens * tokens + column] != 0;
                bits[column / 32] |= u32::from(sees) << (column % 32);
            }
        }
        let [_, predictions] = batch_file::two_axes(file, "target_positions")?;
        let places = batch_file::shaped(file, "target_positions", &[rows, predictions])?;
        if let Some(place) = places.iter().find(|&&place| place >= tokens as i64) {
            let problem = format!("holds {place}, expected a token below {tokens}, or −1 for none");
            return Err(batch_file::malformed(file, "target_positions", problem));
        }
        let places = places.iter().map(|&place| u32::try_from(place).ok()).collect();
        Ok(Self { shape, ids, segments, visible, places })
    }
}

/// The memory `mems` `[L, M, B, H]`, tokens first as published, as one `[B/parts, M, H]` a layer for each part; none without
/// it.
pub fn memory(
    device: &Device,
    config: &xlnet::Config,
    file: &TensorFile,
    [rows, parts]: [usize; 2],
) -> Result<Parts, BatchError> {
    if !file.tensors.contains_key("mems") {
        return Ok(vec![Vec::new(); parts]);
    }
    let (shape, values) = file.floats("mems")?;
    let h = config.d_model;
    let (l, b) = (config.n_layer, rows);
    let &[layers, m, batch, width] = shape else {
        let problem = format!("is {shape:?}, expected [L, M, B, H]");
        return Err(batch_file::malformed(file, "mems", problem));
    };
    if [layers, batch, width] != [l, b, h] || m == 0 {
        let problem = format!("is {shape:?}, expected [{l}, M, {b}, {h}]");
        return Err(batch_file::malformed(file, "mems", problem));
    }
    let of_part = |part: usize| {
        let rows = part * (b / parts)..(part + 1) * (b / parts);
        let of_layer = |values: &[f32]| {
            let by_row = |row: usize| (0..m).flat_map(move |at| &values[(at * b + row) * h..][..h]);
            let values: Vec<f32> = rows.clone().flat_map(by_row).copied().collect();
            Tensor::f32(device, [b / parts, m, h], &values)
        };
        values.chunks_exact(m * b * h).map(of_layer).collect()
    };
    Ok((0..parts).map(of_part).collect())
}
