//! GELU of a tensor on its own, in vector instructions.

use rayon::prelude::*;

use super::gelu_math::{gelu_slice, gelu_slope_slice};
use crate::params::gelu::Params;

/// Elements of one parallel task.
const BLOCK: usize = 1 << 14;

/// `y = gelu(x)`.
pub fn forward(params: &Params, x: &[f32], y: &mut [f32]) {
    let blocks = y.par_chunks_mut(BLOCK).zip(x.par_chunks(BLOCK));
    blocks.for_each(|(y, x)| gelu_slice(x, y, params.form));
}

/// `dx = dy ⊙ gelu′(x)`.
pub fn backward(params: &Params, (x, dy): (&[f32], &[f32]), dx: &mut [f32]) {
    let inputs = x.par_chunks(BLOCK).zip(dy.par_chunks(BLOCK));
    let blocks = dx.par_chunks_mut(BLOCK).zip(inputs);
    blocks.for_each(|(dx, (x, dy))| gelu_slope_slice(x, dy, dx, params.form));
}
