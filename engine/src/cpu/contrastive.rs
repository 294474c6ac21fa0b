//! Fast f32 path of `shaders/contrastive.wgsl`: queries in parallel, exponentials vectorised.

use rayon::prelude::*;

use super::exp::{add_exp_slice, exp_slice, exp_slopes, max_slices};
use super::softmax_rows::{HIDDEN, max_and_sum};
use crate::params::contrastive::Params;
use crate::reference::contrastive::{is_hidden, scale};
use crate::reference::fused_loss::IGNORED;

/// Columns that `column_partials` works on at a time: with a strip of queries, 128 KiB.
const BLOCK: usize = 512;

/// `m = max sⱼ`, `Σ = Σ exp(sⱼ − m)` over the visible j, `s_t`, `ℓ = log Σ + m − s_t` and `Λ = log Σ + m` for each query
/// of the chunk, with `s = κ·scores`.
pub fn forward(
    params: &Params,
    (candidate_ids, targets, log_scale, scores): (&[u32], &[u32], &[f32], &[f32]),
    (row_stats, positives, row_losses, log_sums): (&mut [f32], &mut [f32], &mut [f32], &mut [f32]),
) {
    let passages = params.passages as usize;
    let kappa = scale(params, log_scale);
    let rows = scores.par_chunks_exact(passages).zip(targets);
    let results = row_stats.par_chunks_exact_mut(2).zip(positives).zip(row_losses).zip(log_sums);
    rows.zip(results).for_each(|((scores, &target), (((stats, positive), loss), log_sum))| {
        let (max, sum) = max_and_sum(passages, |start, s| {
            scaled(params, (candidate_ids, target, kappa), &scores[start..], start, s);
        });
        stats.copy_from_slice(&[max, sum]);
        *log_sum = sum.ln() + max;
        (*positive, *loss) = (0.0, 0.0);
        if target != IGNORED {
            *positive = scores[target as usize] * kappa;
            *loss = sum.ln() + (max - *positive);
        }
    });
}

/// `m′` and `Σ′` of each passage over each strip of queries.
pub fn column_partials(
    params: &Params,
    (candidate_ids, targets, log_scale, scores): (&[u32], &[u32], &[f32], &[f32]),
    partial_stats: &mut [f32],
) {
    let (passages, strip) = (params.passages as usize, params.strip as usize);
    let kappa = scale(params, log_scale);
    let strips = scores.par_chunks(strip * passages).zip(targets.par_chunks(strip));
    let results = partial_stats.par_chunks_exact_mut(2 * passages);
    strips.zip(results).for_each(|((scores, targets), stats)| {
        let mut block = vec![0.0; strip * BLOCK];
        for first in (0..passages).step_by(BLOCK) {
            let width = BLOCK.min(passages - first);
            let (mut highest, mut sums) = ([HIDDEN; BLOCK], [0.0; BLOCK]);
            let (highest, sums) = (&mut highest[..width], &mut sums[..width]);
            let rows = scores.chunks_exact(passages).zip(targets);
            for ((scores, &target), s) in rows.zip(block.chunks_exact_mut(width)) {
                scaled(params, (candidate_ids, target, kappa), &scores[first..], first, s);
                max_slices(s, highest);
            }
            for s in block.chunks_exact(width).take(targets.len()) {
                add_exp_slice(s, highest, sums);
            }
            let stats = stats[2 * first..].chunks_exact_mut(2);
            for ((stats, &mut highest), &mut sum) in stats.zip(highest).zip(sums) {
                stats.copy_from_slice(&[highest, sum]);
            }
        }
    });
}

/// `G = (P − Y)·w·κ` in place of the scores, 0 where hidden and for ignored queries.
pub fn backward_scores(
    params: &Params,
    (candidate_ids, targets, log_scale, row_weight, row_stats): (
        &[u32],
        &[u32],
        &[f32],
        &[f32],
        &[f32],
    ),
    scores: &mut [f32],
) {
    let kappa = scale(params, log_scale);
    let rows = scores.par_chunks_exact_mut(params.passages as usize).zip(targets);
    rows.zip(row_stats.par_chunks_exact(2)).for_each(|((s, &target), stats)| {
        let weight = if target == IGNORED { 0.0 } else { row_weight[0] * kappa };
        slopes(params, (candidate_ids, target), (kappa, stats, weight, weight), s);
    });
}

/// `G = ½·(P + P′ − 2·Y)·w·κ` in place of the scores; queries and passages without a partner have no term of their own.
pub fn backward_both(
    params: &Params,
    (candidate_ids, targets, sources, log_scale, row_weight, row_stats, column_stats): (
        &[u32],
        &[u32],
        &[u32],
        &[f32],
        &[f32],
        &[f32],
        &[f32],
    ),
    scores: &mut [f32],
) {
    let kappa = scale(params, log_scale);
    let weight = row_weight[0] * kappa;
    let highest: Vec<f32> = column_stats.chunks_exact(2).map(|stats| stats[0]).collect();
    let share = |(stats, &source): (&[f32], &u32)| match source {
        IGNORED => 0.0,
        _ => 0.5 * weight / stats[1],
    };
    let factors: Vec<f32> = column_stats.chunks_exact(2).zip(sources).map(share).collect();
    let rows = scores.par_chunks_exact_mut(params.passages as usize).zip(targets);
    rows.zip(row_stats.par_chunks_exact(2)).for_each(|((s, &target), stats)| {
        let of_row = if target == IGNORED { 0.0 } else { 0.5 * weight / stats[1] };
        exp_slopes(s, kappa, (stats[0], of_row), (&highest, &factors));
        if target != IGNORED {
            s[target as usize] -= weight;
        }
        for j in hidden(params, candidate_ids, target, 0..s.len()) {
            s[j] = 0.0;
        }
    });
}

/// `(P − Y)·dℓ·κ`, or `P·dΛ·κ`, in place of the scores.
pub fn backward_rows(
    params: &Params,
    (candidate_ids, targets, log_scale, row_stats, drows): (&[u32], &[u32], &[f32], &[f32], &[f32]),
    scores: &mut [f32],
) {
    let kappa = scale(params, log_scale);
    let rows = scores.par_chunks_exact_mut(params.passages as usize).zip(targets);
    rows.zip(row_stats.par_chunks_exact(2)).zip(drows).for_each(|(((s, &target), stats), drow)| {
        let weight = drow * kappa;
        let weights = match (params.of_log_sums, target) {
            (0, IGNORED) => (0.0, 0.0),
            (0, _) => (weight, weight),
            _ => (weight, 0.0),
        };
        slopes(params, (candidate_ids, target), (kappa, stats, weights.0, weights.1), s);
    });
}

/// `P·all − Y·own` in place of one query's scores, 0 where hidden.
fn slopes(
    params: &Params,
    (candidate_ids, target): (&[u32], u32),
    (kappa, stats, all, own): (f32, &[f32], f32, f32),
    s: &mut [f32],
) {
    if all == 0.0 {
        return s.fill(0.0);
    }
    for value in &mut *s {
        *value *= kappa;
    }
    exp_slice(s, stats[0]);
    for value in &mut *s {
        *value *= all / stats[1];
    }
    if target != IGNORED {
        s[target as usize] -= own;
    }
    for j in hidden(params, candidate_ids, target, 0..s.len()) {
        s[j] = 0.0;
    }
}

/// `s = κ·scores` for the columns from `start` on, out of reach where hidden.
fn scaled(
    params: &Params,
    (candidate_ids, target, kappa): (&[u32], u32, f32),
    scores: &[f32],
    start: usize,
    s: &mut [f32],
) {
    for (s, score) in s.iter_mut().zip(scores) {
        *s = score * kappa;
    }
    for j in hidden(params, candidate_ids, target, start..start + s.len()) {
        s[j - start] = HIDDEN;
    }
}

/// The columns among `range` that repeat the target's passage.
fn hidden(
    params: &Params,
    candidate_ids: &[u32],
    target: u32,
    range: std::ops::Range<usize>,
) -> impl Iterator<Item = usize> {
    let range = if params.has_ids == 0 { 0..0 } else { range };
    range.filter(move |&j| is_hidden(params, candidate_ids, target, j))
}
