//! The fast f32 path of `shaders/matmul.wgsl`: products on the `gemm` crate, the epilogue while rows are in cache.

use rayon::prelude::*;

use super::gelu_math::gelu_slice;
use super::gemm::{Matrix, Onto, Threads, multiply};
use crate::params::matmul::Params;

/// Elements of one task of an element-wise loop: longer than the cost of a task, short enough to balance.
const BLOCK: usize = 1 << 14;

/// C = op(A)·op(B), or for several splits the sum over each share of K.
pub fn forward(params: &Params, (a, b): (&[f32], &[f32]), c: &mut [f32]) {
    let size = (params.rows * params.columns) as usize;
    if size == 0 {
        return;
    }
    let count = c.len() / size;
    if count == 1 {
        return one(params, a, b, 0, c, Threads::All);
    }
    c.par_chunks_mut(size).enumerate().for_each(|(z, c)| one(params, a, b, z, c, Threads::One));
}

/// As [`forward`], into f32 whatever the operands are.
pub fn forward_wide(params: &Params, operands: (&[f32], &[f32]), wide: &mut [f32]) {
    forward(params, operands, wide);
}

/// C = op(A)·op(B) + 1·biasᵀ.
pub fn forward_bias(params: &Params, (a, b, bias): (&[f32], &[f32], &[f32]), c: &mut [f32]) {
    forward(params, (a, b), c);
    c.par_chunks_mut(row_block(bias)).for_each(|c| add_bias(c, bias));
}

/// C = gelu(U), U = op(A)·op(B) + 1·biasᵀ.
pub fn forward_gelu(
    params: &Params,
    (a, b, bias): (&[f32], &[f32], &[f32]),
    (c, u): (&mut [f32], &mut [f32]),
) {
    forward(params, (a, b), u);
    let block = row_block(bias);
    u.par_chunks_mut(block).zip(c.par_chunks_mut(block)).for_each(|(u, c)| {
        add_bias(u, bias);
        gelu_slice(u, c, params.gelu_form);
    });
}

/// Product `z` of (split, batch).
fn one(params: &Params, a: &[f32], b: &[f32], z: usize, c: &mut [f32], threads: Threads) {
    let [rows, columns, inner] = [params.rows, params.columns, params.inner].map(|n| n as usize);
    let [a_row, a_inner, a_batch] =
        [params.a_row, params.a_inner, params.a_batch].map(|n| n as usize);
    let [b_inner, b_column, b_batch] =
        [params.b_inner, params.b_column, params.b_batch].map(|n| n as usize);
    let (batch, split) = (z % params.batches as usize, z / params.batches as usize);
    let first = inner.min(split * params.chunk as usize);
    let share = inner.min(first + params.chunk as usize) - first;
    let a = &a[batch * a_batch + first * a_inner..];
    let b = &b[batch * b_batch + first * b_inner..];
    let a = Matrix::new(a, [rows, share], [a_row, a_inner]);
    let b = Matrix::new(b, [share, columns], [b_inner, b_column]);
    multiply(1.0, a, b, Onto::Overwrite, (c, columns), threads);
}

/// Elements of a block of whole rows, about [`BLOCK`].
fn row_block(bias: &[f32]) -> usize {
    let columns = bias.len().max(1);
    BLOCK.div_ceil(columns) * columns
}

fn add_bias(c: &mut [f32], bias: &[f32]) {
    for c in c.chunks_mut(bias.len()) {
        for (c, bias) in c.iter_mut().zip(bias) {
            *c += bias;
        }
    }
}
