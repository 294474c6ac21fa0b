//! Twin of `shaders/softmax.wgsl`.

use rayon::prelude::*;

use super::Real;
use crate::params::softmax::Params;

/// `y = exp(x − m) / Σ` for each row.
pub fn forward<T: Real>(params: &Params, x: &[T], y: &mut [T]) {
    rows(params, x, y, |x, y| {
        let (m, sum) = statistics(x);
        for (y, &x) in y.iter_mut().zip(x) {
            *y = (x - m).exp() / sum;
        }
    });
}

/// `dx = y·(dy − ⟨y, dy⟩)`.
pub fn backward<T: Real>(params: &Params, (y, dy): (&[T], &[T]), dx: &mut [T]) {
    let channels = params.channels as usize;
    dx.par_chunks_exact_mut(channels).enumerate().for_each(|(row, dx)| {
        let (y, dy) = (&y[row * channels..][..channels], &dy[row * channels..][..channels]);
        let along = y.iter().zip(dy).map(|(&y, &dy)| y * dy).sum::<T>();
        for c in 0..channels {
            dx[c] = y[c] * (dy[c] - along);
        }
    });
}

/// `y = x − m − log Σ` for each row.
pub fn forward_log<T: Real>(params: &Params, x: &[T], y: &mut [T]) {
    rows(params, x, y, |x, y| {
        let (m, sum) = statistics(x);
        let offset = sum.ln();
        for (y, &x) in y.iter_mut().zip(x) {
            *y = (x - m) - offset;
        }
    });
}

/// `dx = dy − exp(y)·Σ dy`.
pub fn backward_log<T: Real>(params: &Params, (y, dy): (&[T], &[T]), dx: &mut [T]) {
    let channels = params.channels as usize;
    dx.par_chunks_exact_mut(channels).enumerate().for_each(|(row, dx)| {
        let (y, dy) = (&y[row * channels..][..channels], &dy[row * channels..][..channels]);
        let sum = dy.iter().copied().sum::<T>();
        for c in 0..channels {
            dx[c] = dy[c] - y[c].exp() * sum;
        }
    });
}

fn rows<T: Real>(params: &Params, x: &[T], y: &mut [T], each: impl Fn(&[T], &mut [T]) + Sync) {
    let channels = params.channels as usize;
    let rows = x.par_chunks_exact(channels).zip(y.par_chunks_exact_mut(channels));
    rows.for_each(|(x, y)| each(x, y));
}

/// m and Σ of a row.
fn statistics<T: Real>(x: &[T]) -> (T, T) {
    let m = x.iter().copied().fold(T::of(f64::NEG_INFINITY), T::max);
    (m, x.iter().map(|&x| (x - m).exp()).sum::<T>())
}
