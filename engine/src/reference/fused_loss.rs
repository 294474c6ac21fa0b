//! Twin of `shaders/fused_loss.wgsl`.

use rayon::prelude::*;

use super::Real;
use crate::params::fused_loss::Params;

/// The target of a row that does not count.
pub const IGNORED: u32 = u32::MAX;

/// `L = w·Σᵣ ℓᵣ`.
pub fn forward<T: Real>(params: &Params, (row_losses, row_weight): (&[T], &[T]), loss: &mut [T]) {
    let rows = params.rows as usize;
    loss[0] = row_losses[..rows].iter().copied().sum::<T>() * row_weight[0];
}

/// Elements that one task changes: long enough to hide the task, short enough to balance.
const BLOCK: usize = 1 << 15;

/// `g ← g + δ` in place.
pub fn accumulate<T: Real>(_: &Params, share: &[T], gradient: &mut [T]) {
    gradient.par_chunks_mut(BLOCK).zip(share.par_chunks(BLOCK)).for_each(|(gradient, share)| {
        for (value, share) in gradient.iter_mut().zip(share) {
            *value += *share;
        }
    });
}

/// `g ← g·dL` in place.
pub fn backward<T: Real>(_: &Params, dloss: &[T], gradient: &mut [T]) {
    if dloss[0] == T::one() {
        return;
    }
    gradient.par_chunks_mut(BLOCK).for_each(|gradient| {
        for value in gradient {
            *value *= dloss[0];
        }
    });
}
