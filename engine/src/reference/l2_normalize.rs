//! Twin of `shaders/l2_normalize.wgsl`.

use rayon::prelude::*;

use super::Real;
use super::lanes::sum;
use crate::params::l2_normalize::Params;

/// `y = x / n` with `n = max(‖x‖₂, ε)` for each row; keeps n.
pub fn forward<T: Real>(params: &Params, x: &[T], (y, norm): (&mut [T], &mut [T])) {
    let (channels, epsilon) = (params.channels as usize, T::of(params.epsilon.into()));
    let rows = x.par_chunks_exact(channels).zip(y.par_chunks_exact_mut(channels)).zip(norm);
    rows.for_each(|((x, y), norm)| {
        *norm = sum([x], |[x]| x * x).sqrt().max(epsilon);
        for (y, &x) in y.iter_mut().zip(x) {
            *y = x / *norm;
        }
    });
}

/// `dx = (dy − y·⟨y, dy⟩) / n`, and 0 for the rows whose length was at most ε.
pub fn backward<T: Real>(params: &Params, (y, norm, dy): (&[T], &[T], &[T]), dx: &mut [T]) {
    let (channels, epsilon) = (params.channels as usize, T::of(params.epsilon.into()));
    dx.par_chunks_exact_mut(channels).enumerate().for_each(|(row, dx)| {
        let (y, dy) = (&y[row * channels..][..channels], &dy[row * channels..][..channels]);
        let along = sum([y, dy], |[y, dy]| y * dy);
        let gain = if norm[row] > epsilon { T::one() / norm[row] } else { T::zero() };
        for c in 0..channels {
            dx[c] = (dy[c] - y[c] * along) * gain;
        }
    });
}
