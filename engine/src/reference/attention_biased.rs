//! Twin of `shaders/attention_biased.wgsl`: the rows of a chunk, one after the other.

use std::ops::Range;

use rayon::prelude::*;

use super::Real;
use super::short_rows::Row;
use crate::params::attention_biased::Params;

/// What stands for a score that is hidden.
const HIDDEN: f64 = -1e30;

/// `z·p` in the place of the products of queries and keys, and `L` of the chunk's rows.
pub fn forward<T: Real>(
    params: &Params,
    (bias, lengths, bits, key): (&[T], &[u32], &[u32], &[u32]),
    (weights, lse): (&mut [T], &mut [T]),
) {
    let rows = weights.par_chunks_exact_mut(params.keys as usize).enumerate();
    let of_rows: Vec<T> = rows
        .map(|(at, weights)| {
            let row = row_of(params, at);
            score(params, &row, (bias, lengths, bits), weights);
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

/// From the products of queries and keys and `⟨dy, v⟩`: `z·p` and `G` in their places.
pub fn backward<T: Real>(
    params: &Params,
    (bias, lengths, bits, key, lse): (&[T], &[u32], &[u32], &[u32], &[T]),
    (weights, ds): (&mut [T], &mut [T]),
) {
    let keys = params.keys as usize;
    let rows = weights.par_chunks_exact_mut(keys).zip(ds.par_chunks_exact_mut(keys));
    rows.enumerate().for_each(|(at, (weights, ds))| {
        let row = row_of(params, at);
        score(params, &row, (bias, lengths, bits), weights);
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
            *ds -= p.abs() * delta;
            *p = T::of(params.keep_scale.into()) * p.max(T::zero());
        }
    });
}

/// `dβ = ΣG` over the chunk's matrices that share it, added to what earlier chunks gave.
pub fn backward_bias<T: Real>(params: &Params, ds: &[T], dbias: &mut [T]) {
    let Params { bias_items, bias_heads, first_head, some_heads, first_item, some_items, .. } =
        *params;
    let [queries, keys] = [params.queries, params.keys].map(|n| n as usize);
    let adds = (bias_items == 1 && first_item > 0) || (bias_heads == 1 && first_head > 0);
    dbias.par_chunks_exact_mut(keys).enumerate().for_each(|(at, dbias)| {
        let matrix = (at / queries) as u32;
        let (own_item, own_head) = (matrix / bias_heads, matrix % bias_heads);
        let of_items = sharing(bias_items, own_item, first_item, some_items);
        let mut is_first = !adds;
        for head in sharing(bias_heads, own_head, first_head, some_heads) {
            for item in of_items.clone() {
                let row = (head * some_items + item) as usize * queries + at % queries;
                let ds = &ds[row * keys..][..keys];
                if is_first {
                    dbias.copy_from_slice(ds);
                    is_first = false;
                } else {
                    dbias.iter_mut().zip(ds).for_each(|(sum, &g)| *sum += g);
                }
            }
        }
    });
}

/// Which of the chunk's `some` items or heads, from number `first` on, have number `own` of `biases`.
fn sharing(biases: u32, own: u32, first: u32, some: u32) -> Range<u32> {
    match own.checked_sub(first) {
        _ if biases == 1 => 0..some,
        Some(at) if at < some => at..at + 1,
        _ => 0..0,
    }
}

/// Completes the products of a row: `s = scale·⟨q, k⟩ + β`, hidden where the row does not see the column.
fn score<T: Real>(
    params: &Params,
    row: &Row,
    (bias, lengths, bits): (&[T], &[u32], &[u32]),
    weights: &mut [T],
) {
    let (queries, keys) = (params.queries as usize, params.keys as usize);
    let length = if params.has_lengths == 0 { keys } else { lengths[row.item] as usize };
    let words = &bits[params.has_bits as usize * row.token * keys.div_ceil(32)..];
    let bias = &bias[bias_start(params, row)..][..keys];
    for (j, (s, &beta)) in weights.iter_mut().zip(bias).enumerate() {
        let sum = T::of(params.scale.into()) * *s + beta;
        let seen = j < length
            && (params.causal == 0 || j + queries <= row.i + keys)
            && (params.has_bits == 0 || words[j / 32] >> (j % 32) & 1 == 1)
            && sum > T::of(0.5 * HIDDEN);
        *s = if seen { sum } else { T::of(HIDDEN) };
    }
}

/// Row `at` of the chunk.
pub(crate) fn row_of(params: &Params, at: usize) -> Row {
    let chunk = [params.first_head, params.first_item, params.some_items];
    Row::of([params.queries, params.heads], chunk, at)
}

/// Where the row of β begins.
pub(crate) fn bias_start(params: &Params, row: &Row) -> usize {
    let [items, heads] = [params.bias_items, params.bias_heads].map(|n| n as usize);
    let matrix = row.item.min(items - 1) * heads + row.head.min(heads - 1);
    (matrix * params.queries as usize + row.i) * params.keys as usize
}

/// What dropout of a row needs to know.
pub(crate) fn dropout(params: &Params) -> [u32; 3] {
    [params.threshold, params.site, params.first_row]
}
