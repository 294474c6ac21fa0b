//! Twin of `shaders/multiply_add.wgsl`.

use super::Real;
use crate::params::multiply_add::Params;

/// Chains of an element.
pub const CHAINS: usize = 12;
/// Multiply-adds of a chain in one round.
pub const STEPS: usize = 8;

/// `y_i = Σ_c x_{i,c,N}`.
pub fn forward<T: Real>(params: &Params, x: &[T], y: &mut [T]) {
    let (factor, shift) = (T::of(params.factor.into()), T::of(params.shift.into()));
    for (y, &x) in y.iter_mut().zip(x) {
        *y = (0..CHAINS).fold(T::of(0.0), |sum, chain| {
            let mut value = x + T::of(chain as f64);
            for _ in 0..params.rounds as usize * STEPS {
                value = factor * value + shift;
            }
            sum + value
        });
    }
}
