//! Fast f32 path of `shaders/contrastive.wgsl`: queries in parallel, exponentials vectorised.

use rayon::prelude::*;

use super::exp::exp_slice;
use super::softmax_rows::{HIDDEN, log_sum_exp as log_sum_exp_of};
use crate::params::contrastive::Params;
use crate::reference::contrastive::is_hidden;
use crate::reference::fused_loss::IGNORED;

/// `Λ = log Σ_{j visible} exp(sⱼ)` and `ℓ = Λ − s_t` for each query of the chunk, with `s = scores / τ`.
pub fn forward(
    params: &Params,
    (candidate_ids, targets, scores): (&[u32], &[u32], &[f32]),
    (log_sum_exp, row_losses): (&mut [f32], &mut [f32]),
) {
    let passages = params.passages as usize;
    let rows = scores.par_chunks_exact(passages).zip(targets);
    rows.zip(log_sum_exp).zip(row_losses).for_each(|(((scores, &target), lambda), loss)| {
        *lambda = log_sum_exp_of(passages, |start, s| {
            for (s, score) in s.iter_mut().zip(&scores[start..]) {
                *s = score * params.inverse_temperature;
            }
            for j in hidden(params, candidate_ids, target, start..start + s.len()) {
                s[j - start] = HIDDEN;
            }
        });
        *loss = 0.0;
        if target != IGNORED {
            *loss = *lambda - scores[target as usize] * params.inverse_temperature;
        }
    });
}

/// `∂L/∂(q·pᵀ) = (exp(sⱼ − Λ) − [j = t])·w/τ` in place of the scores, 0 where hidden and for ignored queries.
pub fn backward_scores(
    params: &Params,
    (candidate_ids, targets, row_weight, log_sum_exp): (&[u32], &[u32], &[f32], &[f32]),
    scores: &mut [f32],
) {
    let passages = params.passages as usize;
    let weight = row_weight[0] * params.inverse_temperature;
    let rows = scores.par_chunks_exact_mut(passages).zip(targets);
    rows.zip(log_sum_exp).for_each(|((s, &target), &lambda)| {
        if target == IGNORED {
            return s.fill(0.0);
        }
        for value in &mut *s {
            *value *= params.inverse_temperature;
        }
        exp_slice(s, lambda);
        s[target as usize] -= 1.0;
        for value in &mut *s {
            *value *= weight;
        }
        for j in hidden(params, candidate_ids, target, 0..passages) {
            s[j] = 0.0;
        }
    });
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
