//! Twin of `shaders/contrastive.wgsl`.

use super::Real;
use super::fused_loss::IGNORED;
use crate::params::contrastive::Params;

/// `Λ = log Σ_{j visible} exp(sⱼ)` and `ℓ = Λ − s_t` for each query of the chunk, with `s = scores / τ`.
pub fn forward<T: Real>(
    params: &Params,
    (candidate_ids, targets, scores): (&[u32], &[u32], &[T]),
    (log_sum_exp, row_losses): (&mut [T], &mut [T]),
) {
    let passages = params.passages as usize;
    let inverse_temperature = T::of(params.inverse_temperature.into());
    for row in 0..params.rows as usize {
        let s = |j: usize| scores[row * passages + j] * inverse_temperature;
        let visible =
            || (0..passages).filter(|&j| !is_hidden(params, candidate_ids, targets[row], j));
        let highest = visible().map(s).fold(T::of(-1e30), T::max);
        let sum = visible().map(|j| (s(j) - highest).exp()).sum::<T>();
        log_sum_exp[row] = highest + sum.ln();
        row_losses[row] = match targets[row] {
            IGNORED => T::zero(),
            target => log_sum_exp[row] - s(target as usize),
        };
    }
}

/// `∂L/∂(q·pᵀ) = (exp(sⱼ − Λ) − [j = t])·w/τ` in place of the scores, 0 where hidden and for ignored queries.
pub fn backward_scores<T: Real>(
    params: &Params,
    (candidate_ids, targets, row_weight, log_sum_exp): (&[u32], &[u32], &[T], &[T]),
    scores: &mut [T],
) {
    let passages = params.passages as usize;
    let inverse_temperature = T::of(params.inverse_temperature.into());
    for row in 0..params.rows as usize {
        let counted = if targets[row] == IGNORED { T::zero() } else { row_weight[0] };
        for j in 0..passages {
            let value = &mut scores[row * passages + j];
            let probability = (*value * inverse_temperature - log_sum_exp[row]).exp();
            let is_target = if targets[row] == j as u32 { T::one() } else { T::zero() };
            *value = if is_hidden(params, candidate_ids, targets[row], j) {
                T::zero()
            } else {
                (probability - is_target) * counted * inverse_temperature
            };
        }
    }
}

/// Whether passage `j` repeats the one that is the query's target.
pub(crate) fn is_hidden(params: &Params, candidate_ids: &[u32], target: u32, j: usize) -> bool {
    params.has_ids != 0
        && target != IGNORED
        && j != target as usize
        && candidate_ids[j] == candidate_ids[target as usize]
}
