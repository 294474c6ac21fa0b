//! Twin of `shaders/gelu.wgsl`.

use super::Real;
use super::elementwise::{map, zip};
use super::gelu_math;
use crate::params::gelu::Params;

/// `y = gelu(x)`.
pub fn forward<T: Real>(params: &Params, x: &[T], y: &mut [T]) {
    map(x, y, |x, _| gelu_math::gelu(x, params.form));
}

/// `dx = dy ⊙ gelu′(x)`.
pub fn backward<T: Real>(params: &Params, (x, dy): (&[T], &[T]), dx: &mut [T]) {
    zip(x, dy, dx, |x, dy| dy * gelu_math::gelu_slope(x, params.form));
}
