//! The rows of relative attention with vector instructions; the products around them are `matmul`'s.

use rayon::prelude::*;

use super::drop_row::DropRow;
use super::exp::{exp_slice, max_slice};
use super::softmax_rows::HIDDEN;
use crate::params::attention_relative::Params;
use crate::reference::attention_relative::Row;

/// Rows of a task at least: a row is a few hundred words.
const TASK_ROWS: usize = 16;

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
        let row = Row::of(params, at);
        let first = row.first_distance(params, places);
        for (s, &by_distance) in weights.iter_mut().zip(&distant[at * distances + first..]) {
            *s = params.scale * (*s + by_distance);
        }
        if params.has_segments != 0 {
            let own = query_segments[row.token(params)];
            let slope = params.scale * slopes[row.note(params)];
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
        weights[seen..].fill(HIDDEN);
        if params.has_bits != 0 {
            let words = keys.div_ceil(32);
            let words = &bits[row.token(params) * words..][..words];
            for (weights, word) in weights.chunks_mut(32).zip(words) {
                for (j, s) in weights.iter_mut().enumerate() {
                    *s = if word >> j & 1 == 1 { *s } else { HIDDEN };
                }
            }
        }
    });
}

/// `z·p` in the place of the scores, and `L` of the chunk's rows.
pub fn forward(params: &Params, key: &[u32], (weights, lse): (&mut [f32], &mut [f32])) {
    let rows = weights.par_chunks_exact_mut(params.keys as usize).with_min_len(TASK_ROWS);
    let of_row = |(at, weights): (usize, &mut [f32])| {
        let peak = max_slice(weights, HIDDEN);
        if peak <= 0.5 * HIDDEN {
            weights.fill(0.0);
            return 1e30;
        }
        let total = exp_slice(weights, peak);
        weights.iter_mut().for_each(|p| *p /= total);
        drop_out(params, key, at, weights);
        peak + total.ln()
    };
    let of_rows: Vec<f32> = rows.enumerate().map(of_row).collect();
    for (at, of_row) in of_rows.into_iter().enumerate() {
        lse[Row::of(params, at).note(params)] = of_row;
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
            let row = Row::of(params, at);
            exp_slice(weights, lse[row.note(params)]);
            p.copy_from_slice(weights);
            drop_out(params, key, at, weights);
            for (ds, &weight) in ds.iter_mut().zip(weights.iter()) {
                *ds *= weight;
            }
            let delta = sum(ds);
            for (ds, &p) in ds.iter_mut().zip(p.iter()) {
                *ds = params.scale * (*ds - p * delta);
            }
            let first = row.first_distance(params, places);
            shifted[..first].fill(0.0);
            shifted[first..][..keys].copy_from_slice(ds);
            shifted[first + keys..].fill(0.0);
        },
    );
}

/// Multiplies the weights of row `at` of the chunk by z.
fn drop_out(params: &Params, key: &[u32], at: usize, weights: &mut [f32]) {
    if params.threshold == 0 {
        return;
    }
    let row = Row::of(params, at);
    let drop = DropRow {
        key: [key[0], key[1]],
        row: (row.token(params) as u32).wrapping_add(params.first_row),
        site: params.site,
        z: row.head as u32,
        threshold: params.threshold,
        keep_scale: params.keep_scale,
    };
    drop.apply(weights);
}

/// Σ in sixteen partial sums, which vectors can hold.
fn sum(values: &[f32]) -> f32 {
    let mut sums = [0.0; 16];
    for values in values.chunks(16) {
        for (sum, value) in sums.iter_mut().zip(values) {
            *sum += value;
        }
    }
    sums.iter().sum()
}
