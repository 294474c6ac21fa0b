//! Twin of `shaders/linear_cross_entropy.wgsl`.

use super::Real;
use super::fused_loss::IGNORED;
use crate::params::linear_cross_entropy::Params;

/// `m = max x`, `Σ = Σ exp(x − m)` and `ℓ = log Σ + (1 − ε)·(m − x_t) + ε·(m − mean x)` for each row of the chunk.
pub fn forward<T: Real>(
    params: &Params,
    (targets, logits): (&[u32], &[T]),
    (row_max, row_sum, row_losses): (&mut [T], &mut [T], &mut [T]),
) {
    let vocabulary = params.vocabulary as usize;
    for row in 0..params.rows as usize {
        let x = |v: usize| logits[row * vocabulary + v];
        let highest = (0..vocabulary).map(x).fold(T::of(-1e30), T::max);
        let sum = (0..vocabulary).map(|v| (x(v) - highest).exp()).sum::<T>();
        (row_max[row], row_sum[row]) = (highest, sum);
        let (smoothing, count) = (T::of(params.smoothing.into()), T::of(vocabulary as f64));
        let to_mean = || {
            let offset = (0..vocabulary).map(|v| x(v) - x(0)).sum::<T>() / count;
            smoothing * ((highest - x(0)) - offset)
        };
        row_losses[row] = match targets[row] {
            IGNORED => T::zero(),
            target => {
                let to_target = (T::one() - smoothing) * (highest - x(target as usize));
                let even = if params.smoothing > 0.0 { to_mean() } else { T::zero() };
                sum.ln() + (to_target + even)
            }
        };
    }
}

/// `∂L/∂xᵥ = (exp(xᵥ − m)/Σ − (1 − ε)·[v = t] − ε/V)·w` in place of the logits, 0 for ignored rows.
pub fn backward_logits<T: Real>(
    params: &Params,
    (targets, row_weight, row_max, row_sum): (&[u32], &[T], &[T], &[T]),
    logits: &mut [T],
) {
    let vocabulary = params.vocabulary as usize;
    let smoothing = T::of(params.smoothing.into());
    for row in 0..params.rows as usize {
        let weight = row_weight[row * params.weights as usize];
        let weight = if targets[row] == IGNORED { T::zero() } else { weight };
        for v in 0..vocabulary {
            let value = &mut logits[row * vocabulary + v];
            let probability = (*value - row_max[row]).exp() / row_sum[row];
            let own = if targets[row] == v as u32 { T::one() - smoothing } else { T::zero() };
            *value = (probability - (smoothing / T::of(vocabulary as f64) + own)) * weight;
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
