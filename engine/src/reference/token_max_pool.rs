//! Twin of `shaders/token_max_pool.wgsl`.

use rayon::prelude::*;

use super::Real;
use crate::params::token_max_pool::Params;

/// The position of an entry whose text shows no token.
pub const NONE: u32 = u32::MAX;

/// Takes the chunk's rows into `z` and `positions`, text by text: larger logits win, of equal ones the first.
pub fn forward<T: Real>(
    params: &Params,
    (logits, visible): (&[T], &[u32]),
    (z, positions): (&mut [T], &mut [u32]),
) {
    let [tokens, vocabulary] = [params.tokens, params.vocabulary].map(|n| n as usize);
    let (first, last) = (params.first as usize, (params.first + params.rows) as usize);
    let texts = z.par_chunks_exact_mut(vocabulary).zip(positions.par_chunks_exact_mut(vocabulary));
    let touched = first / tokens..last.div_ceil(tokens);
    texts.enumerate().filter(|(text, _)| touched.contains(text)).for_each(|(text, (z, at))| {
        let begin = (text * tokens).max(first);
        if begin == text * tokens {
            z.fill(T::zero());
            at.fill(NONE);
        }
        for row in (begin..((text + 1) * tokens).min(last)).filter(|&row| visible[row] != 0) {
            let logits = &logits[(row - first) * vocabulary..][..vocabulary];
            let token = (row - text * tokens) as u32;
            for ((z, at), &logit) in z.iter_mut().zip(at.iter_mut()).zip(logits) {
                let wins = *at == NONE || logit > *z;
                *z = if wins { logit } else { *z };
                *at = if wins { token } else { *at };
            }
        }
    });
}

/// Counts, for each token, the entries that pass it a gradient, one place to the right.
pub fn count<T: Real>(params: &Params, (positions, dz): (&[u32], &[T]), starts: &mut [u32]) {
    let [tokens, vocabulary] = [params.tokens, params.vocabulary].map(|n| n as usize);
    let sources = positions.par_chunks_exact(vocabulary).zip(dz.par_chunks_exact(vocabulary));
    starts.par_chunks_exact_mut(tokens + 1).zip(sources).for_each(|(starts, (positions, dz))| {
        starts[1..].fill(0);
        for (&position, &dz) in positions.iter().zip(dz) {
            if position != NONE && dz != T::zero() {
                starts[position as usize + 1] += 1;
            }
        }
    });
}

/// Adds the counts up, so that each token's list begins where the one before ends.
pub fn scan<T: Real>(params: &Params, (): (), starts: &mut [u32]) {
    for starts in starts.chunks_exact_mut(params.tokens as usize + 1) {
        starts[0] = 0;
        for token in 1..starts.len() {
            starts[token] += starts[token - 1];
        }
    }
}

/// Lists, for each token, the entries that pass it a gradient, in order.
pub fn fill<T: Real>(
    params: &Params,
    (positions, dz, starts): (&[u32], &[T], &[u32]),
    entries: &mut [u32],
) {
    let [tokens, vocabulary] = [params.tokens, params.vocabulary].map(|n| n as usize);
    let lists = starts.par_chunks_exact(tokens + 1).zip(entries.par_chunks_exact_mut(vocabulary));
    let sources = positions.par_chunks_exact(vocabulary).zip(dz.par_chunks_exact(vocabulary));
    lists.zip(sources).for_each(|((starts, entries), (positions, dz))| {
        let mut next = starts.to_vec();
        for (v, (&position, &dz)) in positions.iter().zip(dz).enumerate() {
            if position != NONE && dz != T::zero() {
                let slot = &mut next[position as usize];
                entries[*slot as usize] = v as u32;
                *slot += 1;
            }
        }
    });
}

/// `dh_bt = Σ dz_bv·w_v` over the entries of each token.
pub fn backward_hidden<T: Real>(
    params: &Params,
    (dz, weight, starts, entries): (&[T], &[T], &[u32], &[u32]),
    dhidden: &mut [T],
) {
    let [tokens, channels, vocabulary] =
        [params.tokens, params.channels, params.vocabulary].map(|n| n as usize);
    dhidden.par_chunks_exact_mut(channels).enumerate().for_each(|(row, dh)| {
        let (text, token) = (row / tokens, row % tokens);
        let list = &starts[text * (tokens + 1) + token..][..2];
        dh.fill(T::zero());
        for &v in &entries[text * vocabulary..][list[0] as usize..list[1] as usize] {
            let (slope, v) = (dz[text * vocabulary + v as usize], v as usize);
            for (dh, &w) in dh.iter_mut().zip(&weight[v * channels..][..channels]) {
                *dh += slope * w;
            }
        }
    });
}

/// `dw_v = Σ_b dz_bv·h_b` at the position of each entry.
pub fn backward_weight<T: Real>(
    params: &Params,
    (positions, dz, hidden): (&[u32], &[T], &[T]),
    dweight: &mut [T],
) {
    let [tokens, channels, vocabulary] =
        [params.tokens, params.channels, params.vocabulary].map(|n| n as usize);
    dweight.par_chunks_exact_mut(channels).enumerate().for_each(|(v, dw)| {
        dw.fill(T::zero());
        for text in 0..params.documents as usize {
            let (slope, at) = (dz[text * vocabulary + v], positions[text * vocabulary + v]);
            if at == NONE || slope == T::zero() {
                continue;
            }
            let row = text * tokens + at as usize;
            for (dw, &h) in dw.iter_mut().zip(&hidden[row * channels..][..channels]) {
                *dw += slope * h;
            }
        }
    });
}

/// `dbias_v = Σ_b dz_bv`.
pub fn backward_bias<T: Real>(params: &Params, (positions, dz): (&[u32], &[T]), dbias: &mut [T]) {
    let vocabulary = params.vocabulary as usize;
    let counts = |at: &usize| positions[*at] != NONE;
    for (v, dbias) in dbias.iter_mut().enumerate() {
        let texts = (0..params.documents as usize).map(|text| text * vocabulary + v);
        *dbias = texts.filter(counts).map(|at| dz[at]).sum::<T>();
    }
}
