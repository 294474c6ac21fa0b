//! Twin of `shaders/contrastive.wgsl`.

use super::Real;
use super::fused_loss::IGNORED;
use crate::params::contrastive::Params;

/// `m = max sⱼ`, `Σ = Σ exp(sⱼ − m)` over the visible j and `ℓ = log Σ + m − s_t` for each query of the chunk, with
/// `s = scores / τ`.
pub fn forward<T: Real>(
    params: &Params,
    (candidate_ids, targets, scores): (&[u32], &[u32], &[T]),
    (row_max, row_sum, row_losses): (&mut [T], &mut [T], &mut [T]),
) {
    let passages = params.passages as usize;
    let inverse_temperature = T::of(params.inverse_temperature.into());
    for row in 0..params.rows as usize {
        let s = |j: usize| scores[row * passages + j] * inverse_temperature;
        let visible =
            || (0..passages).filter(|&j| !is_hidden(params, candidate_ids, targets[row], j));
        let highest = visible().map(s).fold(T::of(-1e30), T::max);
        let sum = visible().map(|j| (s(j) - highest).exp()).sum::<T>();
        (row_max[row], row_sum[row]) = (highest, sum);
        row_losses[row] = match targets[row] {
            IGNORED => T::zero(),
            target => sum.ln() + (highest - s(target as usize)),
        };
    }
}

/// `∂L/∂(q·pᵀ) = (exp(sⱼ − m)/Σ − [j = t])·w/τ` in place of the scores, 0 where hidden and for ignored queries.
pub fn backward_scores<T: Real>(
    params: &Params,
    (candidate_ids, targets, row_weight, row_max, row_sum): (&[u32], &[u32], &[T], &[T], &[T]),
    scores: &mut [T],
) {
    let passages = params.passages as usize;
    let inverse_temperature = T::of(params.inverse_temperature.into());
    for row in 0..params.rows as usize {
        let counted = if targets[row] == IGNORED { T::zero() } else { row_weight[0] };
        for j in 0..passages {
            let value = &mut scores[row * passages + j];
            let probability = (*value * inverse_temperature - row_max[row]).exp() / row_sum[row];
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
