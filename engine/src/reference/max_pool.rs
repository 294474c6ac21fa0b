//! Twin of `shaders/max_pool.wgsl`.

use rayon::prelude::*;

use super::Real;
use crate::params::max_pool::Params;

/// Where a text of length 0 has its maximum.
const NONE: u32 = u32::MAX;

/// `y[b] = max_{t < length[b]} x[b, t]`, and the lowest t that reaches it.
pub fn forward<T: Real>(
    params: &Params,
    (x, lengths): (&[T], &[u32]),
    (y, positions): (&mut [T], &mut [u32]),
) {
    let (tokens, channels) = (params.tokens as usize, params.channels as usize);
    let pooled = y.par_chunks_mut(channels).zip(positions.par_chunks_mut(channels));
    let texts = pooled.zip(x.par_chunks(tokens * channels)).zip(lengths);
    texts.for_each(|(((y, positions), x), &length)| {
        if length == 0 {
            y.fill(T::zero());
            positions.fill(NONE);
            return;
        }
        y.copy_from_slice(&x[..channels]);
        positions.fill(0);
        for (t, x) in x.chunks(channels).enumerate().take(length as usize).skip(1) {
            for ((y, position), &x) in y.iter_mut().zip(&mut *positions).zip(x) {
                if x > *y {
                    (*y, *position) = (x, t as u32);
                }
            }
        }
    });
}

/// `dx[b, t] = dy[b]` where the maximum was, else 0.
pub fn backward<T: Real>(params: &Params, (positions, dy): (&[u32], &[T]), dx: &mut [T]) {
    let (tokens, channels) = (params.tokens as usize, params.channels as usize);
    let pooled = positions.par_chunks(channels).zip(dy.par_chunks(channels));
    let texts = dx.par_chunks_mut(tokens * channels).zip(pooled);
    texts.for_each(|(dx, (positions, dy))| {
        for (t, dx) in dx.chunks_mut(channels).enumerate() {
            for ((dx, &position), &dy) in dx.iter_mut().zip(positions).zip(dy) {
                *dx = if position == t as u32 { dy } else { T::zero() };
            }
        }
    });
}
