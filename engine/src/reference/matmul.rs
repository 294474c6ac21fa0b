//! Twin of `shaders/matmul.wgsl`: three loops, and what is applied on the way out.

use rayon::prelude::*;

use super::Real;
use super::gelu_math::gelu;
use crate::params::matmul::Params;

/// C = op(A)·op(B), or for several splits the sum over each share of K: [splits, B, M, N].
pub fn forward<T: Real>(params: &Params, (a, b): (&[T], &[T]), c: &mut [T]) {
    let columns = params.columns as usize;
    c.par_chunks_mut(columns.max(1)).enumerate().for_each(|(line, c)| {
        for (column, c) in c.iter_mut().enumerate() {
            *c = element(params, a, b, line, column);
        }
    });
}

/// As [`forward`], into f32 whatever the operands are.
pub fn forward_wide<T: Real>(params: &Params, operands: (&[T], &[T]), wide: &mut [T]) {
    forward(params, operands, wide);
}

/// C = op(A)·op(B) + 1·biasᵀ.
pub fn forward_bias<T: Real>(params: &Params, (a, b, bias): (&[T], &[T], &[T]), c: &mut [T]) {
    forward(params, (a, b), c);
    for c in c.chunks_mut(bias.len().max(1)) {
        for (c, bias) in c.iter_mut().zip(bias) {
            *c += *bias;
        }
    }
}

/// C = gelu(U), U = op(A)·op(B) + 1·biasᵀ.
pub fn forward_gelu<T: Real>(
    params: &Params,
    (a, b, bias): (&[T], &[T], &[T]),
    (c, u): (&mut [T], &mut [T]),
) {
    forward_bias(params, (a, b, bias), u);
    for (c, u) in c.iter_mut().zip(u) {
        *c = gelu(*u, params.gelu_form);
    }
}

/// C = Σ wide over the splits, in order.
pub fn reduce<T: Real>(params: &Params, wide: &[T], c: &mut [T]) {
    let count = c.len();
    for (at, c) in c.iter_mut().enumerate() {
        *c = (0..params.splits as usize).map(|split| wide[split * count + at]).sum();
    }
}

/// Σₖ op(A)[row, k]·op(B)[k, column], where `line` counts (split, batch, row) and k runs over the split's share.
fn element<T: Real>(params: &Params, a: &[T], b: &[T], line: usize, column: usize) -> T {
    let [rows, inner, batches] = [params.rows, params.inner, params.batches].map(|n| n as usize);
    let [a_row, a_inner, a_batch] =
        [params.a_row, params.a_inner, params.a_batch].map(|n| n as usize);
    let [b_inner, b_column, b_batch] =
        [params.b_inner, params.b_column, params.b_batch].map(|n| n as usize);
    let (row, batch, split) = (line % rows, line / rows % batches, line / rows / batches);
    let first = split * params.chunk as usize;
    let last = inner.min(first + params.chunk as usize);
    let (a_start, b_start) = (batch * a_batch + row * a_row, batch * b_batch + column * b_column);
    (first..last).map(|k| a[a_start + k * a_inner] * b[b_start + k * b_inner]).sum()
}
