//! Twin of `shaders/column_sums.wgsl`: sums of strips of rows, then of the strips.

use rayon::prelude::*;

use super::Real;
use crate::params::column_sums::Params;

/// `partials[p] = Σ x[n]` over the rows of strip p.
pub fn sum_strips<T: Real>(params: &Params, x: &[T], partials: &mut [T]) {
    let channels = params.channels as usize;
    partials.par_chunks_mut(channels).enumerate().for_each(|(strip, sums)| {
        let first = strip * params.strip as usize;
        let last = (params.rows as usize).min(first + params.strip as usize);
        add_rows(&x[first * channels..last * channels], sums);
    });
}

/// `y = Σ strip_sums[p]`.
pub fn combine<T: Real>(_: &Params, strip_sums: &[T], y: &mut [T]) {
    add_rows(strip_sums, y);
}

/// `dx[n] = dy` for every row.
pub fn backward<T: Real>(params: &Params, dy: &[T], dx: &mut [T]) {
    dx.par_chunks_mut(params.channels as usize).for_each(|dx| dx.copy_from_slice(dy));
}

fn add_rows<T: Real>(rows: &[T], sums: &mut [T]) {
    sums.fill(T::zero());
    for row in rows.chunks(sums.len()) {
        for (sum, x) in sums.iter_mut().zip(row) {
            *sum += *x;
        }
    }
}
