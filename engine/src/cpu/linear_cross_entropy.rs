//! Fast f32 path of `shaders/linear_cross_entropy.wgsl`: rows in parallel, exponentials vectorised.

use rayon::prelude::*;

use super::exp::exp_slice;
use super::softmax_rows::log_sum_exp as log_sum_exp_of;
use crate::params::linear_cross_entropy::Params;
use crate::reference::fused_loss::IGNORED;

/// Columns of `db` that one task sums: a row of them stays in the first-level cache.
const COLUMNS: usize = 2048;

/// `Λ = log Σ exp(x)` and `ℓ = Λ − x_t` for each row of the chunk.
pub fn forward(
    params: &Params,
    (targets, logits): (&[u32], &[f32]),
    (log_sum_exp, row_losses): (&mut [f32], &mut [f32]),
) {
    let vocabulary = params.vocabulary as usize;
    let rows = logits.par_chunks_exact(vocabulary).zip(targets);
    rows.zip(log_sum_exp).zip(row_losses).for_each(|(((logits, &target), lambda), loss)| {
        *lambda = log_sum_exp_of(vocabulary, |start, x| {
            x.copy_from_slice(&logits[start..][..x.len()]);
        });
        *loss = 0.0;
        if target != IGNORED {
            *loss = *lambda - logits[target as usize];
        }
    });
}

/// `∂L/∂xᵥ = (exp(xᵥ − Λ) − [v = t])·w` in place of the logits, 0 for ignored rows.
pub fn backward_logits(
    params: &Params,
    (targets, row_weight, log_sum_exp): (&[u32], &[f32], &[f32]),
    logits: &mut [f32],
) {
    let rows = logits.par_chunks_exact_mut(params.vocabulary as usize).zip(targets);
    rows.zip(log_sum_exp).for_each(|((x, &target), &lambda)| {
        if target == IGNORED {
            return x.fill(0.0);
        }
        exp_slice(x, lambda);
        x[target as usize] -= 1.0;
        for value in x {
            *value *= row_weight[0];
        }
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
