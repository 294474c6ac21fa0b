//! Twin of `shaders/gather_rows.wgsl`.

use rayon::prelude::*;

use super::Real;
use crate::params::gather_rows::Params;

/// Marks a row that was not kept.
const NONE: u32 = u32::MAX;

/// `y[r] = x[rows[r]]`.
pub fn forward<T: Real>(params: &Params, (x, rows): (&[T], &[u32]), y: &mut [T]) {
    let channels = params.channels as usize;
    y.par_chunks_mut(channels)
        .zip(rows)
        .for_each(|(y, &row)| y.copy_from_slice(&x[row as usize * channels..][..channels]));
}

/// `dx[n] = dy[slots[n]]`, or 0.
pub fn backward<T: Real>(params: &Params, (dy, slots): (&[T], &[u32]), dx: &mut [T]) {
    let channels = params.channels as usize;
    dx.par_chunks_mut(channels).zip(slots).for_each(|(dx, &slot)| match slot {
        NONE => dx.fill(T::zero()),
        slot => dx.copy_from_slice(&dy[slot as usize * channels..][..channels]),
    });
}
