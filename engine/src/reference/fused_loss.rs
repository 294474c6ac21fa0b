//! Twin of `shaders/fused_loss.wgsl`.

use super::Real;
use crate::params::fused_loss::Params;

/// The target of a row that does not count.
pub const IGNORED: u32 = u32::MAX;

/// `L = w·Σᵣ ℓᵣ`.
pub fn forward<T: Real>(params: &Params, (row_losses, row_weight): (&[T], &[T]), loss: &mut [T]) {
    let rows = params.rows as usize;
    loss[0] = row_losses[..rows].iter().copied().sum::<T>() * row_weight[0];
}

/// `g ← g·dL` in place.
pub fn backward<T: Real>(_: &Params, dloss: &[T], gradient: &mut [T]) {
    if dloss[0] == T::one() {
        return;
    }
    for value in gradient {
        *value *= dloss[0];
    }
}
