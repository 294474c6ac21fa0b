//! Twin of `shaders/head_major.wgsl`: one head of one token after the other.

use rayon::prelude::*;

use super::Real;
use crate::params::head_major::Params;

/// `y = x` for the heads and items of the chunk.
pub fn forward<T: Real>(params: &Params, x: &[T], y: &mut [T]) {
    let width = params.width as usize;
    y.par_chunks_exact_mut(width).enumerate().for_each(|(at, y)| {
        y.copy_from_slice(&x[place(params, at).1..][..width]);
    });
}

/// `y = x + bias` for the heads and items of the chunk.
pub fn forward_biased<T: Real>(params: &Params, (x, bias): (&[T], &[T]), y: &mut [T]) {
    let width = params.width as usize;
    y.par_chunks_exact_mut(width).enumerate().for_each(|(at, y)| {
        let (head, start) = place(params, at);
        for (c, y) in y.iter_mut().enumerate() {
            *y = x[start + c] + bias[head * width + c];
        }
    });
}

/// `dx = dy` in the part that the chunk covers.
pub fn backward<T: Real>(params: &Params, dy: &[T], dx: &mut [T]) {
    let width = params.width as usize;
    for (at, dy) in dy.chunks_exact(width).enumerate() {
        dx[place(params, at).1..][..width].copy_from_slice(dy);
    }
}

/// `dx += dy` in the part that the chunk covers.
pub fn backward_add<T: Real>(params: &Params, dy: &[T], dx: &mut [T]) {
    let width = params.width as usize;
    for (at, dy) in dy.chunks_exact(width).enumerate() {
        for (dx, &dy) in dx[place(params, at).1..].iter_mut().zip(dy) {
            *dx += dy;
        }
    }
}

/// The head of row `at` of `[C, E, U]`, and where its channels begin in `[B, T, A, D]`.
fn place(params: &Params, at: usize) -> (usize, usize) {
    let [tokens, heads, items, some_tokens] =
        [params.tokens, params.heads, params.some_items, params.some_tokens].map(|n| n as usize);
    let head = params.first_head as usize + at / some_tokens / items;
    let item = params.first_item as usize + at / some_tokens % items;
    let token = params.first_token as usize + at % some_tokens;
    (head, ((item * tokens + token) * heads + head) * params.width as usize)
}
