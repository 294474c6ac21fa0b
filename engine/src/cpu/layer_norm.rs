//! Layer normalisation by the rows of the twin, compiled for the widest vectors there are, with the fast dropout.

use pulp::{Arch, Simd, WithSimd};
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
        let first = at * task;
        arch.dispatch(Forward { params, first, x, residual, key, gamma, beta, h, y, moments });
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
        let first = at * task;
        arch.dispatch(Backward { params, first, key, gamma, h, moments, dy, dh, dx });
    });
}

/// Some rows from `first` on: `x, h, y, moments` hold those rows, `residual` all of them.
struct Forward<'a> {
    params: &'a Params,
    first: usize,
    x: &'a [f32],
    residual: &'a [f32],
    key: &'a [u32],
    gamma: &'a [f32],
    beta: &'a [f32],
    h: &'a mut [f32],
    y: &'a mut [f32],
    moments: &'a mut [f32],
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let channels = self.params.channels as usize;
        let inputs = (self.first..).zip(self.x.chunks(channels));
        let outputs = self.h.chunks_mut(channels).zip(self.y.chunks_mut(channels));
        let rows = inputs.zip(outputs).zip(self.moments.chunks_mut(2));
        for (((row, x), (h, y)), moments) in rows {
            if self.params.threshold > 0 {
                apply(row_dropout(self.params, self.key, row), x, h);
            } else {
                h.copy_from_slice(x);
            }
            if self.params.has_residual == 1 {
                for (h, &residual) in h.iter_mut().zip(&self.residual[row * channels..]) {
                    *h += residual;
                }
            }
            normalise(self.params, h, self.gamma, self.beta, y, moments);
        }
    }
}

/// Some rows from `first` on: `dh, dx` hold those rows, `h, moments, dy` all of them.
struct Backward<'a> {
    params: &'a Params,
    first: usize,
    key: &'a [u32],
    gamma: &'a [f32],
    h: &'a [f32],
    moments: &'a [f32],
    dy: &'a [f32],
    dh: &'a mut [f32],
    dx: &'a mut [f32],
}

impl WithSimd for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let channels = self.params.channels as usize;
        let rows = self.dh.chunks_mut(channels).zip(self.dx.chunks_mut(channels));
        for (row, (dh, dx)) in (self.first..).zip(rows) {
            backward_row(row, self.gamma, self.h, self.moments, self.dy, dh);
            apply(row_dropout(self.params, self.key, row), dh, dx);
        }
    }
}
