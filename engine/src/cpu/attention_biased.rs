//! The rows of biased attention with vector instructions; the products around them are `matmul`'s.

use rayon::prelude::*;

use super::drop_row::DropRow;
use super::short_rows::{self, TASK_ROWS};
use crate::params::attention_biased::Params;
use crate::reference::attention_biased::{bias_start, dropout, row_of};
use crate::reference::short_rows::Row;

/// `z·p` in the place of the products of queries and keys, and `L` of the chunk's rows.
pub fn forward(
    params: &Params,
    (bias, lengths, bits, key): (&[f32], &[u32], &[u32], &[u32]),
    (weights, lse): (&mut [f32], &mut [f32]),
) {
    let rows = weights.par_chunks_exact_mut(params.keys as usize).with_min_len(TASK_ROWS);
    let of_row = |(at, weights): (usize, &mut [f32])| {
        let row = row_of(params, at);
        score(params, &row, (bias, lengths, bits), weights);
        short_rows::forward(weights, drop_row(params, key, &row))
    };
    let of_rows: Vec<f32> = rows.enumerate().map(of_row).collect();
    for (at, of_row) in of_rows.into_iter().enumerate() {
        lse[row_of(params, at).note] = of_row;
    }
}

/// From the products of queries and keys and `⟨dy, v⟩`: `z·p` and `G` in their places.
pub fn backward(
    params: &Params,
    (bias, lengths, bits, key, lse): (&[f32], &[u32], &[u32], &[u32], &[f32]),
    (weights, ds): (&mut [f32], &mut [f32]),
) {
    let keys = params.keys as usize;
    let rows = weights.par_chunks_exact_mut(keys).with_min_len(TASK_ROWS);
    rows.zip(ds.par_chunks_exact_mut(keys)).enumerate().for_each_init(
        || vec![0.0; keys],
        |p, (at, (weights, ds))| {
            let row = row_of(params, at);
            score(params, &row, (bias, lengths, bits), weights);
            let of_row = (lse[row.note], drop_row(params, key, &row), 1.0);
            short_rows::backward(of_row, weights, ds, p);
        },
    );
}

/// Completes the products of a row: `s = scale·⟨q, k⟩ + β`, hidden where the row does not see the column.
fn score(
    params: &Params,
    row: &Row,
    (bias, lengths, bits): (&[f32], &[u32], &[u32]),
    weights: &mut [f32],
) {
    let (queries, keys) = (params.queries as usize, params.keys as usize);
    for (s, &beta) in weights.iter_mut().zip(&bias[bias_start(params, row)..]) {
        *s = params.scale * *s + beta;
    }
    let mut seen = keys;
    if params.has_lengths != 0 {
        seen = seen.min(lengths[row.item] as usize);
    }
    if params.causal != 0 {
        seen = seen.min((row.i + 1 + keys).saturating_sub(queries));
    }
    let words = keys.div_ceil(32);
    let bits = (params.has_bits != 0).then(|| &bits[row.token * words..][..words]);
    short_rows::hide(weights, seen, bits);
}

/// The dropout of a row, if there is any.
fn drop_row(params: &Params, key: &[u32], row: &Row) -> Option<DropRow> {
    short_rows::drop_row((dropout(params), params.keep_scale), key, row)
}
