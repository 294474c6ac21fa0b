//! Twin of `shaders/layer_norm.wgsl`: the same entry points and names, in the plainest loops.

use rayon::prelude::*;

use super::Real;
use super::dropout::RowDropout;
use super::lanes::{rows_per_task, sum};
use crate::params::layer_norm::Params;

/// `y = γ ⊙ (x − μ)·r + β` for each row; keeps μ and r.
pub fn forward<T: Real>(
    params: &Params,
    (x, gamma, beta): (&[T], &[T], &[T]),
    (y, moments): (&mut [T], &mut [T]),
) {
    let (channels, task) = sizes(params);
    let tasks = y.par_chunks_mut(task * channels).zip(moments.par_chunks_mut(2 * task));
    tasks.zip(x.par_chunks(task * channels)).for_each(|((y, moments), x)| {
        let rows = y.chunks_mut(channels).zip(moments.chunks_mut(2)).zip(x.chunks(channels));
        for ((y, moments), x) in rows {
            normalise(params, x, gamma, beta, y, moments);
        }
    });
}

/// As [`forward`] of `h = residual + dropout(x)`; keeps h too.
pub fn forward_residual<T: Real>(
    params: &Params,
    (x, residual, key, gamma, beta): (&[T], &[T], &[u32], &[T], &[T]),
    (h, y, moments): (&mut [T], &mut [T], &mut [T]),
) {
    let (channels, task) = sizes(params);
    let outputs = h.par_chunks_mut(task * channels).zip(y.par_chunks_mut(task * channels));
    let tasks = outputs.zip(moments.par_chunks_mut(2 * task)).zip(x.par_chunks(task * channels));
    tasks.enumerate().for_each(|(at, (((h, y), moments), x))| {
        let outputs = h.chunks_mut(channels).zip(y.chunks_mut(channels)).zip(moments.chunks_mut(2));
        for (row, (((h, y), moments), x)) in (at * task..).zip(outputs.zip(x.chunks(channels))) {
            if params.threshold > 0 {
                row_dropout(params, key, row).apply(x, h);
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
}

/// `dh = r·(g − mean(g) − x̂·mean(g ⊙ x̂))` with `g = γ ⊙ dy`.
pub fn backward<T: Real>(
    params: &Params,
    (gamma, h, moments, dy): (&[T], &[T], &[T], &[T]),
    dh: &mut [T],
) {
    let (channels, task) = sizes(params);
    dh.par_chunks_mut(task * channels).enumerate().for_each(|(at, dh)| {
        for (row, dh) in (at * task..).zip(dh.chunks_mut(channels)) {
            backward_row(row, gamma, h, moments, dy, dh);
        }
    });
}

/// As [`backward`], and `dx = dh ⊙ k` with the dropout factors k of the forward pass.
pub fn backward_dropout<T: Real>(
    params: &Params,
    (key, gamma, h, moments, dy): (&[u32], &[T], &[T], &[T], &[T]),
    (dh, dx): (&mut [T], &mut [T]),
) {
    let (channels, task) = sizes(params);
    let tasks = dh.par_chunks_mut(task * channels).zip(dx.par_chunks_mut(task * channels));
    tasks.enumerate().for_each(|(at, (dh, dx))| {
        let rows = dh.chunks_mut(channels).zip(dx.chunks_mut(channels));
        for (row, (dh, dx)) in (at * task..).zip(rows) {
            backward_row(row, gamma, h, moments, dy, dh);
            row_dropout(params, key, row).apply(dh, dx);
        }
    });
}

/// `Σ dy ⊙ x̂` and `Σ dy` over each strip of rows.
pub fn backward_params<T: Real>(
    params: &Params,
    (h, moments, dy): (&[T], &[T], &[T]),
    (partial_dgamma, partial_dbeta): (&mut [T], &mut [T]),
) {
    let (channels, strip_rows) = (params.channels as usize, params.strip_rows as usize);
    let partials =
        partial_dgamma.par_chunks_mut(channels).zip(partial_dbeta.par_chunks_mut(channels));
    partials.enumerate().for_each(|(strip, (dgamma, dbeta))| {
        dgamma.fill(T::zero());
        dbeta.fill(T::zero());
        let first = strip * strip_rows;
        for row in first..(first + strip_rows).min(params.rows as usize) {
            let (mu, r) = (moments[2 * row], moments[2 * row + 1]);
            let inputs = h[row * channels..].iter().zip(&dy[row * channels..]);
            for ((dgamma, dbeta), (&h, &dy)) in dgamma.iter_mut().zip(&mut *dbeta).zip(inputs) {
                *dgamma += dy * ((h - mu) * r);
                *dbeta += dy;
            }
        }
    });
}

/// The sums of all strips, in their order.
pub fn sum_params<T: Real>(
    params: &Params,
    (partial_dgamma, partial_dbeta): (&[T], &[T]),
    (dgamma, dbeta): (&mut [T], &mut [T]),
) {
    for (partials, total) in [(partial_dgamma, dgamma), (partial_dbeta, dbeta)] {
        total.fill(T::zero());
        for partial in partials.chunks(params.channels as usize) {
            for (total, &partial) in total.iter_mut().zip(partial) {
                *total += partial;
            }
        }
    }
}

/// Channels, and rows of one parallel task.
fn sizes(params: &Params) -> (usize, usize) {
    (params.channels as usize, rows_per_task(params.channels as usize))
}

fn row_dropout<T: Real>(params: &Params, key: &[u32], row: usize) -> RowDropout<T> {
    RowDropout {
        key: [key[0], key[1]],
        row: params.first_row + row as u32,
        site: params.site,
        threshold: params.threshold,
        keep_scale: T::of(params.keep_scale.into()),
    }
}

fn normalise<T: Real>(
    params: &Params,
    h: &[T],
    gamma: &[T],
    beta: &[T],
    y: &mut [T],
    moments: &mut [T],
) {
    let c_len = T::of(params.channels.into());
    let mu = sum([h], |[h]| h) / c_len;
    let variance = sum([h], |[h]| (h - mu) * (h - mu)) / c_len;
    let r = T::one() / (variance + T::of(params.epsilon.into())).sqrt();
    for ((y, &h), (&gamma, &beta)) in y.iter_mut().zip(h).zip(gamma.iter().zip(beta)) {
        *y = gamma * ((h - mu) * r) + beta;
    }
    (moments[0], moments[1]) = (mu, r);
}

fn backward_row<T: Real>(row: usize, gamma: &[T], h: &[T], moments: &[T], dy: &[T], dh: &mut [T]) {
    let channels = dh.len();
    let c_len = T::of(channels as f64);
    let (h, dy) = (&h[row * channels..][..channels], &dy[row * channels..][..channels]);
    let (mu, r) = (moments[2 * row], moments[2 * row + 1]);
    let mean_g = sum([gamma, dy], |[gamma, dy]| gamma * dy) / c_len;
    let mean_g_xhat = sum([gamma, dy, h], |[gamma, dy, h]| gamma * dy * ((h - mu) * r)) / c_len;
    for ((dh, &gamma), (&h, &dy)) in dh.iter_mut().zip(gamma).zip(h.iter().zip(dy)) {
        *dh = r * (gamma * dy - mean_g - (h - mu) * r * mean_g_xhat);
    }
}
