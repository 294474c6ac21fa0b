//! Fast f32 path of `shaders/linear_cross_entropy.wgsl`: rows in parallel, exponentials vectorised.

use rayon::prelude::*;

use super::exp::exp_slice;
use super::softmax_rows::max_and_sum;
use crate::params::linear_cross_entropy::Params;
use crate::reference::fused_loss::IGNORED;
use crate::reference::lanes;

/// Columns of `db` that one task sums: a row of them stays in the first-level cache.
const COLUMNS: usize = 2048;

/// `m = max x`, `Σ = Σ exp(x − m)` and `ℓ = log Σ + (1 − ε)·(m − x_t) + ε·(m − mean x)` for each row of the chunk.
pub fn forward(
    params: &Params,
    (targets, logits): (&[u32], &[f32]),
    (row_max, row_sum, row_losses): (&mut [f32], &mut [f32], &mut [f32]),
) {
    let vocabulary = params.vocabulary as usize;
    let rows = logits.par_chunks_exact(vocabulary).zip(targets);
    let results = row_max.par_iter_mut().zip(row_sum).zip(row_losses);
    rows.zip(results).for_each(|((x, &target), ((max, sum), loss))| {
        let block = |start: usize, to: &mut [f32]| to.copy_from_slice(&x[start..][..to.len()]);
        (*max, *sum) = max_and_sum(vocabulary, block);
        *loss = 0.0;
        if target != IGNORED {
            let to_target = (1.0 - params.smoothing) * (*max - x[target as usize]);
            *loss = sum.ln() + (to_target + to_mean(params, x, *max));
        }
    });
}

/// `ε·(m − mean x)`.
fn to_mean(params: &Params, x: &[f32], max: f32) -> f32 {
    if params.smoothing == 0.0 {
        return 0.0;
    }
    let offset = lanes::sum([x], |[value]| value - x[0]) / x.len() as f32;
    params.smoothing * ((max - x[0]) - offset)
}

/// `∂L/∂xᵥ = (exp(xᵥ − m)/Σ − (1 − ε)·[v = t] − ε/V)·w` in place of the logits, 0 for ignored rows.
pub fn backward_logits(
    params: &Params,
    (targets, row_weight, row_max, row_sum): (&[u32], &[f32], &[f32], &[f32]),
    logits: &mut [f32],
) {
    let rows = logits.par_chunks_exact_mut(params.vocabulary as usize).zip(targets);
    rows.zip(row_max).zip(row_sum).enumerate().for_each(|(row, (((x, &target), &max), &sum))| {
        if target == IGNORED {
            return x.fill(0.0);
        }
        exp_slice(x, max);
        let weight = row_weight[row * params.weights as usize];
        let (factor, share) = (weight / sum, weight * params.smoothing / x.len() as f32);
        for value in &mut *x {
            *value = *value * factor - share;
        }
        x[target as usize] -= weight * (1.0 - params.smoothing);
    });
}

/// `db = Σ_rows ∂L/∂x`, added to what earlier chunks left.
pub fn backward_bias(params: &Params, logits: &[f32], dbias: &mut [f32]) {
    let vocabulary = params.vocabulary as usize;
    dbias.par_chunks_mut(COLUMNS).enumerate().for_each(|(block, sums)| {
        if params.accumulates == 0 {
            sums.fill(0.0);
        }
        for row in logits.chunks_exact(vocabulary) {
            for (sum, value) in sums.iter_mut().zip(&row[block * COLUMNS..]) {
                *sum += value;
            }
        }
    });
}
