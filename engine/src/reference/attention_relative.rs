//! Twin of `shaders/attention_relative.wgsl`: the rows of a chunk, one after the other.

use rayon::prelude::*;

use super::Real;
use super::short_rows::Row;
use crate::params::attention_relative::Params;

/// What stands for a score that is hidden.
const HIDDEN: f64 = -1e30;

/// Completes the products of queries and keys: `s = scale·(content + distance + e·g)`, hidden where the row does not see the column.
pub fn scores<T: Real>(
    params: &Params,
    (distant, lengths, bits, places, query_segments, key_segments, slopes): (
        &[T],
        &[u32],
        &[u32],
        &[u32],
        &[u32],
        &[u32],
        &[T],
    ),
    weights: &mut [T],
) {
    let (keys, distances) = (params.keys as usize, params.distances as usize);
    weights.par_chunks_exact_mut(keys).enumerate().for_each(|(at, weights)| {
        let row = row_of(params, at);
        let first = first_distance(params, &row, places);
        let distant = &distant[at * distances + first..][..keys];
        for (j, s) in weights.iter_mut().enumerate() {
            let length = if params.has_lengths == 0 { keys } else { lengths[row.item] as usize };
            let words = &bits[params.has_bits as usize * row.token * keys.div_ceil(32)..];
            let seen = j < length
                && (params.causal == 0 || j + first <= keys)
                && (params.has_bits == 0 || words[j / 32] >> (j % 32) & 1 == 1);
            let is_other = || query_segments[row.token] != key_segments[row.item * keys + j];
            let mut sum = *s + distant[j];
            if params.has_segments != 0 && is_other() {
                sum += slopes[row.note];
            }
            *s = if seen { T::of(params.scale.into()) * sum } else { T::of(HIDDEN) };
        }
    });
}

/// `z·p` in the place of the scores, and `L` of the chunk's rows.
pub fn forward<T: Real>(params: &Params, key: &[u32], (weights, lse): (&mut [T], &mut [T])) {
    let rows = weights.par_chunks_exact_mut(params.keys as usize).enumerate();
    let of_rows: Vec<T> = rows
        .map(|(at, weights)| {
            let row = row_of(params, at);
            let visible = |s: &T| *s > T::of(0.5 * HIDDEN);
            let peak = weights.iter().copied().fold(T::of(HIDDEN), T::max);
            let exps = weights.iter().filter(|s| visible(s)).map(|&s| (s - peak).exp());
            let total = exps.sum::<T>();
            for (j, s) in weights.iter_mut().enumerate() {
                let kept = visible(s) && row.is_kept(dropout(params), key, j);
                let p = || T::of(params.keep_scale.into()) * (*s - peak).exp() / total;
                *s = if kept { p() } else { T::zero() };
            }
            if total > T::zero() { peak + total.ln() } else { T::of(1e30) }
        })
        .collect();
    for (at, of_row) in of_rows.into_iter().enumerate() {
        lse[row_of(params, at).note] = of_row;
    }
}

/// From scores and `⟨dy, v⟩`: `z·p` and `G` in their places, and `G` by distance.
pub fn backward<T: Real>(
    params: &Params,
    (places, key, lse): (&[u32], &[u32], &[T]),
    (weights, ds, shifted): (&mut [T], &mut [T], &mut [T]),
) {
    let (keys, distances) = (params.keys as usize, params.distances as usize);
    let weights = weights.par_chunks_exact_mut(keys);
    let gradients = ds.par_chunks_exact_mut(keys).zip(shifted.par_chunks_exact_mut(distances));
    weights.zip(gradients).enumerate().for_each(|(at, (weights, (ds, shifted)))| {
        let row = row_of(params, at);
        let log_sum = lse[row.note];
        // z·p·⟨dy, v⟩ in ds and ±p in weights, negative where dropped.
        for (j, (s, ds)) in weights.iter_mut().zip(ds.iter_mut()).enumerate() {
            let seen = *s > T::of(0.5 * HIDDEN);
            let p = if seen { (*s - log_sum).exp() } else { T::zero() };
            let kept = row.is_kept(dropout(params), key, j);
            *s = if kept { p } else { -p };
            *ds = if kept { T::of(params.keep_scale.into()) * p * *ds } else { T::zero() };
        }
        let delta = ds.iter().copied().sum::<T>();
        for (p, ds) in weights.iter_mut().zip(ds.iter_mut()) {
            *ds = T::of(params.scale.into()) * (*ds - p.abs() * delta);
            *p = T::of(params.keep_scale.into()) * p.max(T::zero());
        }
        let first = first_distance(params, &row, places);
        shifted.fill(T::zero());
        shifted[first..][..keys].copy_from_slice(ds);
    });
}

/// Row `at` of the chunk.
pub(crate) fn row_of(params: &Params, at: usize) -> Row {
    let chunk = [params.first_head, params.first_item, params.some_items];
    Row::of([params.queries, params.heads], chunk, at)
}

/// `Q − t_i`, the distance of column 0.
pub(crate) fn first_distance(params: &Params, row: &Row, places: &[u32]) -> usize {
    let tokens = (params.distances - params.keys) as usize;
    let place = if params.has_places == 0 { row.i } else { places[row.token] as usize };
    tokens - place.min(tokens)
}

/// What dropout of a row needs to know.
pub(crate) fn dropout(params: &Params) -> [u32; 3] {
    [params.threshold, params.site, params.first_row]
}
