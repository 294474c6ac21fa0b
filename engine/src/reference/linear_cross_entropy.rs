//! Twin of `shaders/linear_cross_entropy.wgsl`.

use super::Real;
use super::fused_loss::IGNORED;
use crate::params::linear_cross_entropy::Params;

/// `Λ = log Σ exp(x)` and `ℓ = Λ − x_t` for each row of the chunk.
pub fn forward<T: Real>(
    params: &Params,
    (targets, logits): (&[u32], &[T]),
    (log_sum_exp, row_losses): (&mut [T], &mut [T]),
) {
    let vocabulary = params.vocabulary as usize;
    for row in 0..params.rows as usize {
        let x = |v: usize| logits[row * vocabulary + v];
        let highest = (0..vocabulary).map(x).fold(T::of(-1e30), T::max);
        let sum = (0..vocabulary).map(|v| (x(v) - highest).exp()).sum::<T>();
        log_sum_exp[row] = highest + sum.ln();
        row_losses[row] = match targets[row] {
            IGNORED => T::zero(),
            target => log_sum_exp[row] - x(target as usize),
        };
    }
}

/// `∂L/∂xᵥ = (exp(xᵥ − Λ) − [v = t])·w` in place of the logits, 0 for ignored rows.
pub fn backward_logits<T: Real>(
    params: &Params,
    (targets, row_weight, log_sum_exp): (&[u32], &[T], &[T]),
    logits: &mut [T],
) {
    let vocabulary = params.vocabulary as usize;
    for row in 0..params.rows as usize {
        let weight = if targets[row] == IGNORED { T::zero() } else { row_weight[0] };
        for v in 0..vocabulary {
            let value = &mut logits[row * vocabulary + v];
            let probability = (*value - log_sum_exp[row]).exp();
            let is_target = if targets[row] == v as u32 { T::one() } else { T::zero() };
            *value = (probability - is_target) * weight;
        }
    }
}

/// `db = Σ_rows ∂L/∂x`, added to what earlier chunks left.
pub fn backward_bias<T: Real>(params: &Params, logits: &[T], dbias: &mut [T]) {
    let vocabulary = params.vocabulary as usize;
    if params.accumulates == 0 {
        dbias[..vocabulary].fill(T::zero());
    }
    for row in 0..params.rows as usize {
        for v in 0..vocabulary {
            dbias[v] += logits[row * vocabulary + v];
        }
    }
}
