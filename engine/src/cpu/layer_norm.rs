//! Layer normalisation by rows of the twin, compiled for the widest vectors there are, with the fast dropout.

use pulp::Arch;
use rayon::prelude::*;

use super::dropout::apply;
use crate::params::layer_norm::Params;
use crate::reference::lanes::rows_per_task;
use crate::reference::layer_norm::{backward_row, normalise, row_dropout};

/// `y = γ ⊙ (h − μ)·r + β` of `h = residual + dropout(x)`; keeps h, μ and r.
pub fn forward_residual(
    params: &Params,
    (x, residual, key, gamma, beta): (&[f32], &[f32], &[u32], &[f32], &[f32]),
    (h, y, moments): (&mut [f32], &mut [f32], &mut [f32]),
) {
    let (channels, arch) = (params.channels as usize, Arch::new());
    let task = rows_per_task(channels);
    let outputs = h.par_chunks_mut(task * channels).zip(y.par_chunks_mut(task * channels));
    let tasks = outputs.zip(moments.par_chunks_mut(2 * task)).zip(x.par_chunks(task * channels));
    tasks.enumerate().for_each(|(at, (((h, y), moments), x))| {
        let outputs = h.chunks_mut(channels).zip(y.chunks_mut(channels)).zip(moments.chunks_mut(2));
        let rows = (at * task..).zip(outputs.zip(x.chunks(channels)));
        arch.dispatch(|| {
            for (row, (((h, y), moments), x)) in rows {
                if params.threshold > 0 {
                    apply(row_dropout(params, key, row), x, h);
                } else {
                    h.copy_from_slice(x);
                }
                if params.has_residual == 1 {
                    for (h, &residual) in h.iter_mut().zip(&residual[row * channels..]) {
                        *h += residual;
                    }
                }
                normalise(params, h, gamma, beta, y, moments);
            }
        });
    });
}

/// `dh = r·(g − mean(g) − x̂·mean(g ⊙ x̂))` with `g = γ ⊙ dy`, and `dx = dh ⊙ k`.
pub fn backward_dropout(
    params: &Params,
    (key, gamma, h, moments, dy): (&[u32], &[f32], &[f32], &[f32], &[f32]),
    (dh, dx): (&mut [f32], &mut [f32]),
) {
    let (channels, arch) = (params.channels as usize, Arch::new());
    let task = rows_per_task(channels);
    let tasks = dh.par_chunks_mut(task * channels).zip(dx.par_chunks_mut(task * channels));
    tasks.enumerate().for_each(|(at, (dh, dx))| {
        let rows = (at * task..).zip(dh.chunks_mut(channels).zip(dx.chunks_mut(channels)));
        arch.dispatch(|| {
            for (row, (dh, dx)) in rows {
                backward_row(row, gamma, h, moments, dy, dh);
                apply(row_dropout(params, key, row), dh, dx);
            }
        });
    });
}
