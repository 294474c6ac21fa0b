//! Twin of `shaders/contrastive.wgsl`. Of two words, the first of a pair of statistics is m, the second Σ.

use rayon::prelude::*;

use super::Real;
use super::fused_loss::IGNORED;
use crate::params::contrastive::Params;

/// Below every score.
const LOWEST: f64 = -1e30;

/// `m = max sⱼ`, `Σ = Σ exp(sⱼ − m)` over the visible j, `s_t`, `ℓ = log Σ + m − s_t` and `Λ = log Σ + m` for each query
/// of the chunk, with `s = κ·scores`, `κ = eᵃ/τ`.
pub fn forward<T: Real>(
    params: &Params,
    (candidate_ids, targets, log_scale, scores): (&[u32], &[u32], &[T], &[T]),
    (row_stats, positives, row_losses, log_sums): (&mut [T], &mut [T], &mut [T], &mut [T]),
) {
    let passages = params.passages as usize;
    let kappa = scale(params, log_scale);
    for row in 0..params.rows as usize {
        let s = |j: usize| scores[row * passages + j] * kappa;
        let visible = (0..passages).filter(|&j| !is_hidden(params, candidate_ids, targets[row], j));
        let (highest, sum) = max_and_sum(visible.map(s));
        row_stats[2 * row..][..2].copy_from_slice(&[highest, sum]);
        log_sums[row] = sum.ln() + highest;
        (positives[row], row_losses[row]) = match targets[row] {
            IGNORED => (T::zero(), T::zero()),
            target => (s(target as usize), sum.ln() + (highest - s(target as usize))),
        };
    }
}

/// `m′` and `Σ′` of each passage over each strip of queries.
pub fn column_partials<T: Real>(
    params: &Params,
    (candidate_ids, targets, log_scale, scores): (&[u32], &[u32], &[T], &[T]),
    partial_stats: &mut [T],
) {
    let (rows, passages) = (params.rows as usize, params.passages as usize);
    let kappa = scale(params, log_scale);
    for (part, stats) in partial_stats.chunks_exact_mut(2).enumerate() {
        let (strip, column) = (part / passages, part % passages);
        let first = strip * params.strip as usize;
        let visible = (first..rows.min(first + params.strip as usize))
            .filter(|&row| !is_hidden(params, candidate_ids, targets[row], column));
        let (highest, sum) =
            max_and_sum(visible.map(|row| scores[row * passages + column] * kappa));
        stats.copy_from_slice(&[highest, sum]);
    }
}

/// `m′` and `Σ′` of each passage over the strips, and over the chunks before if there were any.
pub fn column_merge<T: Real>(params: &Params, partial_stats: &[T], column_stats: &mut [T]) {
    let passages = params.passages as usize;
    column_stats.par_chunks_exact_mut(2).enumerate().for_each(|(column, stats)| {
        let before =
            if params.continues == 0 { [T::of(LOWEST), T::zero()] } else { [stats[0], stats[1]] };
        let strips =
            partial_stats.chunks_exact(2 * passages).map(|strip| &strip[2 * column..][..2]);
        let merged = strips.fold(before, |[m, sum], part| {
            let highest = m.max(part[0]);
            [highest, sum * (m - highest).exp() + part[1] * (part[0] - highest).exp()]
        });
        stats.copy_from_slice(&merged);
    });
}

/// `½·(ℓ + ℓ′)` in place of ℓ, `ℓ′ = log Σ′ + m′ − s_t` of the query's target.
pub fn column_losses<T: Real>(
    params: &Params,
    (targets, positives, column_stats): (&[u32], &[T], &[T]),
    row_losses: &mut [T],
) {
    for row in 0..params.rows as usize {
        if targets[row] == IGNORED {
            continue;
        }
        let stats = &column_stats[2 * targets[row] as usize..][..2];
        let loss = stats[1].ln() + (stats[0] - positives[row]);
        row_losses[row] = T::of(0.5) * (row_losses[row] + loss);
    }
}

/// `G = (P − Y)·w·κ` in place of the scores, 0 where hidden and for ignored queries.
pub fn backward_scores<T: Real>(
    params: &Params,
    (candidate_ids, targets, log_scale, row_weight, row_stats): (&[u32], &[u32], &[T], &[T], &[T]),
    scores: &mut [T],
) {
    let kappa = scale(params, log_scale);
    for_visible(params, (candidate_ids, targets), scores, |row, j, score| {
        if targets[row] == IGNORED {
            return T::zero();
        }
        let p = probability(score * kappa, &row_stats[2 * row..]);
        (p - one_if(targets[row] == j as u32)) * row_weight[0] * kappa
    });
}

/// `G = ½·(P + P′ − 2·Y)·w·κ` in place of the scores; queries and passages without a partner have no term of their own.
pub fn backward_both<T: Real>(
    params: &Params,
    (candidate_ids, targets, sources, log_scale, row_weight, row_stats, column_stats): (
        &[u32],
        &[u32],
        &[u32],
        &[T],
        &[T],
        &[T],
        &[T],
    ),
    scores: &mut [T],
) {
    let kappa = scale(params, log_scale);
    for_visible(params, (candidate_ids, targets), scores, |row, j, score| {
        let y = one_if(targets[row] == j as u32);
        let term = |partner: u32, stats: &[T]| match partner {
            IGNORED => T::zero(),
            _ => probability(score * kappa, stats) - y,
        };
        let slope =
            term(targets[row], &row_stats[2 * row..]) + term(sources[j], &column_stats[2 * j..]);
        slope * T::of(0.5) * row_weight[0] * kappa
    });
}

/// `(P − Y)·dℓ·κ`, or `P·dΛ·κ`, in place of the scores.
pub fn backward_rows<T: Real>(
    params: &Params,
    (candidate_ids, targets, log_scale, row_stats, drows): (&[u32], &[u32], &[T], &[T], &[T]),
    scores: &mut [T],
) {
    let kappa = scale(params, log_scale);
    let is_loss = params.of_log_sums == 0;
    for_visible(params, (candidate_ids, targets), scores, |row, j, score| {
        if is_loss && targets[row] == IGNORED {
            return T::zero();
        }
        let p = probability(score * kappa, &row_stats[2 * row..]);
        (p - one_if(is_loss && targets[row] == j as u32)) * drows[row] * kappa
    });
}

/// Whether passage `j` repeats the one that is the query's target.
pub(crate) fn is_hidden(params: &Params, candidate_ids: &[u32], target: u32, j: usize) -> bool {
    params.has_ids != 0
        && target != IGNORED
        && j != target as usize
        && candidate_ids[j] == candidate_ids[target as usize]
}

/// κ.
pub(crate) fn scale<T: Real>(params: &Params, log_scale: &[T]) -> T {
    log_scale[0].exp() * T::of(params.inverse_temperature.into())
}

fn max_and_sum<T: Real>(s: impl Iterator<Item = T> + Clone) -> (T, T) {
    let highest = s.clone().fold(T::of(LOWEST), T::max);
    (highest, s.map(|s| (s - highest).exp()).sum())
}

fn probability<T: Real>(s: T, stats: &[T]) -> T {
    (s - stats[0]).exp() / stats[1]
}

fn one_if<T: Real>(condition: bool) -> T {
    if condition { T::one() } else { T::zero() }
}

/// Replaces each score by `slope(row, column, score)`, and hidden ones by 0.
fn for_visible<T: Real>(
    params: &Params,
    (candidate_ids, targets): (&[u32], &[u32]),
    scores: &mut [T],
    slope: impl Fn(usize, usize, T) -> T,
) {
    let passages = params.passages as usize;
    for row in 0..params.rows as usize {
        for j in 0..passages {
            let score = &mut scores[row * passages + j];
            *score = if is_hidden(params, candidate_ids, targets[row], j) {
                T::zero()
            } else {
                slope(row, j, *score)
            };
        }
    }
}
