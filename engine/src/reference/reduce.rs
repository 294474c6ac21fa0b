//! Twin of `shaders/reduce.wgsl`.

use rayon::prelude::*;

use super::Real;
use super::lanes::{BLOCK, sum};
use crate::params::reduce::Params;

/// Elements of one partial sum, as in the shader.
const CHUNK: usize = 16_384;

/// One sum per chunk of x.
pub fn partial_sums<T: Real>(_: &Params, x: &[T], partials: &mut [T]) {
    partials.par_iter_mut().zip(x.par_chunks(CHUNK)).for_each(|(partial, x)| {
        *partial = sum([x], |[x]| x);
    });
}

/// `y = f·Σ partials`.
pub fn total<T: Real>(params: &Params, partials: &[T], y: &mut [T]) {
    y[0] = T::of(params.factor.into()) * sum([partials], |[partial]| partial);
}

/// `dx = f·dy` everywhere.
pub fn backward<T: Real>(params: &Params, dy: &[T], dx: &mut [T]) {
    let share = T::of(params.factor.into()) * dy[0];
    dx.par_chunks_mut(BLOCK).for_each(|dx| dx.fill(share));
}
