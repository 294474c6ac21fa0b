//! Twin of `shaders/replace_rows.wgsl`.

use rayon::prelude::*;

use super::Real;
use crate::params::replace_rows::Params;

/// Marks a row that is not replaced.
const NONE: u32 = u32::MAX;

/// `y[n] = values[slots[n]]`, or `x[n]`.
pub fn forward<T: Real>(params: &Params, (x, values, slots): (&[T], &[T], &[u32]), y: &mut [T]) {
    let channels = params.channels as usize;
    y.par_chunks_mut(channels).zip(x.par_chunks(channels)).zip(slots).for_each(
        |((y, x), &slot)| match slot {
            NONE => y.copy_from_slice(x),
            slot => y.copy_from_slice(&values[slot as usize * channels..][..channels]),
        },
    );
}

/// `dx[n] = dy[n]`, or 0 where the row was replaced.
pub fn backward_x<T: Real>(params: &Params, (slots, dy): (&[u32], &[T]), dx: &mut [T]) {
    let channels = params.channels as usize;
    let rows = dx.par_chunks_mut(channels).zip(dy.par_chunks(channels)).zip(slots);
    rows.for_each(|((dx, dy), &slot)| match slot {
        NONE => dx.copy_from_slice(dy),
        _ => dx.fill(T::zero()),
    });
}

/// `dvalues[r] = dy[rows[r]]`.
pub fn backward_values<T: Real>(params: &Params, (dy, rows): (&[T], &[u32]), dvalues: &mut [T]) {
    let channels = params.channels as usize;
    dvalues.par_chunks_mut(channels).zip(rows).for_each(|(dvalues, &row)| {
        dvalues.copy_from_slice(&dy[row as usize * channels..][..channels])
    });
}
