//! Twin of `shaders/activation.wgsl`.

use super::Real;
use super::elementwise::{map, zip};
use crate::params::activation::Params;

/// `y = max(x, 0)`.
pub fn relu_forward<T: Real>(_: &Params, x: &[T], y: &mut [T]) {
    map(x, y, |x, _| x.max(T::zero()));
}

/// `dx = dy` where `y > 0`, else 0.
pub fn relu_backward<T: Real>(_: &Params, (y, dy): (&[T], &[T]), dx: &mut [T]) {
    zip(y, dy, dx, |y, dy| if y > T::zero() { dy } else { T::zero() });
}

/// `y = tanh(x)`.
pub fn tanh_forward<T: Real>(_: &Params, x: &[T], y: &mut [T]) {
    map(x, y, |x, _| x.tanh());
}

/// `dx = dy·(1 − y²)`.
pub fn tanh_backward<T: Real>(_: &Params, (y, dy): (&[T], &[T]), dx: &mut [T]) {
    zip(y, dy, dx, |y, dy| dy * (T::one() - y * y));
}

/// `y = x·σ(x)`.
pub fn silu_forward<T: Real>(_: &Params, x: &[T], y: &mut [T]) {
    map(x, y, |x, _| x * sigmoid(x));
}

/// `dx = dy·σ(x)·(1 + x·(1 − σ(x)))`.
pub fn silu_backward<T: Real>(_: &Params, (x, dy): (&[T], &[T]), dx: &mut [T]) {
    zip(x, dy, dx, |x, dy| {
        let s = sigmoid(x);
        dy * s * (T::one() + x * (T::one() - s))
    });
}

/// `y = ln(1 + max(x, 0))`.
pub fn log1p_relu_forward<T: Real>(_: &Params, x: &[T], y: &mut [T]) {
    map(x, y, |x, _| x.max(T::zero()).ln_1p());
}

/// `dx = dy/(1 + x)` where `x > 0`, else 0.
pub fn log1p_relu_backward<T: Real>(_: &Params, (x, dy): (&[T], &[T]), dx: &mut [T]) {
    zip(x, dy, dx, |x, dy| if x > T::zero() { dy / (T::one() + x) } else { T::zero() });
}

/// `σ(x) = 1/(1 + e⁻ˣ)`.
fn sigmoid<T: Real>(x: T) -> T {
    T::one() / (T::one() + (-x).exp())
}
