//! The rows of relative attention with vector instructions; the products around them are `matmul`'s.

use rayon::prelude::*;

use super::drop_row::DropRow;
use super::short_rows::{self, TASK_ROWS};
use crate::params::attention_relative::Params;
use crate::reference::attention_relative::{dropout, first_distance, row_of};
use crate::reference::short_rows::Row;

/// Completes the products of queries and keys: `s = scale·(content + distance + e·g)`, hidden where the row does not see the column.
pub fn scores(
    params: &Params,
    (distant, lengths, bits, places, query_segments, key_segments, slopes): (
        &[f32],
        &[u32],
        &[u32],
        &[u32],
        &[u32],
        &[u32],
        &[f32],
    ),
    weights: &mut [f32],
) {
    let (keys, distances) = (params.keys as usize, params.distances as usize);
    let rows = weights.par_chunks_exact_mut(keys).with_min_len(TASK_ROWS).enumerate();
    rows.for_each(|(at, weights)| {
        let row = row_of(params, at);
        let first = first_distance(params, &row, places);
        for (s, &by_distance) in weights.iter_mut().zip(&distant[at * distances + first..]) {
            *s = params.scale * (*s + by_distance);
        }
        if params.has_segments != 0 {
            let own = query_segments[row.token];
            let slope = params.scale * slopes[row.note];
            for (s, &segment) in weights.iter_mut().zip(&key_segments[row.item * keys..]) {
                *s += if segment == own { 0.0 } else { slope };
            }
        }
        let mut seen = keys;
        if params.has_lengths != 0 {
            seen = seen.min(lengths[row.item] as usize);
        }
        if params.causal != 0 {
            seen = seen.min((keys + 1).saturating_sub(first));
        }
        let words = keys.div_ceil(32);
        let bits = (params.has_bits != 0).then(|| &bits[row.token * words..][..words]);
        short_rows::hide(weights, seen, bits);
    });
}

/// `z·p` in the place of the scores, and `L` of the chunk's rows.
pub fn forward(params: &Params, key: &[u32], (weights, lse): (&mut [f32], &mut [f32])) {
    let rows = weights.par_chunks_exact_mut(params.keys as usize).with_min_len(TASK_ROWS);
    let of_row = |(at, weights): (usize, &mut [f32])| {
        short_rows::forward(weights, drop_row(params, key, &row_of(params, at)))
    };
    let of_rows: Vec<f32> = rows.enumerate().map(of_row).collect();
    for (at, of_row) in of_rows.into_iter().enumerate() {
        lse[row_of(params, at).note] = of_row;
    }
}

/// From scores and `⟨dy, v⟩`: `z·p` and `G` in their places, and `G` by distance.
pub fn backward(
    params: &Params,
    (places, key, lse): (&[u32], &[u32], &[f32]),
    (weights, ds, shifted): (&mut [f32], &mut [f32], &mut [f32]),
) {
    let (keys, distances) = (params.keys as usize, params.distances as usize);
    let gradients = ds.par_chunks_exact_mut(keys).zip(shifted.par_chunks_exact_mut(distances));
    let rows = weights.par_chunks_exact_mut(keys).with_min_len(TASK_ROWS).zip(gradients);
    rows.enumerate().for_each_init(
        || vec![0.0; keys],
        |p, (at, (weights, (ds, shifted)))| {
            let row = row_of(params, at);
            let of_row = (lse[row.note], drop_row(params, key, &row), params.scale);
            short_rows::backward(of_row, weights, ds, p);
            let first = first_distance(params, &row, places);
            shifted[..first].fill(0.0);
            shifted[first..][..keys].copy_from_slice(ds);
            shifted[first + keys..].fill(0.0);
        },
    );
}

/// The dropout of a row, if there is any.
fn drop_row(params: &Params, key: &[u32], row: &Row) -> Option<DropRow> {
    short_rows::drop_row((dropout(params), params.keep_scale), key, row)
}
