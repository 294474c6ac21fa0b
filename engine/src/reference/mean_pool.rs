//! Twin of `shaders/mean_pool.wgsl`.

use rayon::prelude::*;

use super::Real;
use crate::params::mean_pool::Params;

/// `y[b] = Σ_{t < length[b]} x[b, t] / max(length[b], 1e-9)`.
pub fn forward<T: Real>(params: &Params, (x, lengths): (&[T], &[u32]), y: &mut [T]) {
    let (tokens, channels) = (params.tokens as usize, params.channels as usize);
    let texts = y.par_chunks_mut(channels).zip(x.par_chunks(tokens * channels));
    texts.zip(lengths).for_each(|((y, x), &length)| {
        y.fill(T::zero());
        for x in x.chunks(channels).take(length as usize) {
            for (y, &x) in y.iter_mut().zip(x) {
                *y += x;
            }
        }
        let count = T::of(length.min(params.tokens).into()).max(T::of(1e-9));
        for y in y {
            *y = *y / count;
        }
    });
}

/// `dx[b, t] = dy[b] / length[b]` where `t < length[b]`, else 0.
pub fn backward<T: Real>(params: &Params, (lengths, dy): (&[u32], &[T]), dx: &mut [T]) {
    let (tokens, channels) = (params.tokens as usize, params.channels as usize);
    let texts = dx.par_chunks_mut(tokens * channels).zip(dy.par_chunks(channels));
    texts.zip(lengths).for_each(|((dx, dy), &length)| {
        let count = T::of(length.min(params.tokens).max(1).into());
        for (t, dx) in dx.chunks_mut(channels).enumerate() {
            for (dx, &dy) in dx.iter_mut().zip(dy) {
                *dx = if t < length as usize { dy / count } else { T::zero() };
            }
        }
    });
}
