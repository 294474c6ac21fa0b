//! Twin of `shaders/relative_segments.wgsl`.

use rayon::prelude::*;

use super::Real;
use crate::params::relative_segments::Params;

/// `e = (q + o)·(m₁ − m₀)` of every row and head.
pub fn forward<T: Real>(params: &Params, (q, origin, table): (&[T], &[T], &[T]), slopes: &mut [T]) {
    let (heads, width) = (params.heads as usize, params.width as usize);
    let plane = heads * width;
    slopes.par_iter_mut().zip(q.par_chunks_exact(width)).enumerate().for_each(|(note, (e, q))| {
        let head = note % heads * width;
        let of_channel =
            |c: usize| (q[c] + origin[head + c]) * (table[plane + head + c] - table[head + c]);
        *e = (0..width).map(of_channel).sum();
    });
}

/// `dq += σ·(m₁ − m₀)`, and `σ·(q + o)`.
pub fn backward_queries<T: Real>(
    params: &Params,
    (q, origin, table, sigma): (&[T], &[T], &[T], &[T]),
    (dq, touched): (&mut [T], &mut [T]),
) {
    let width = params.width as usize;
    let plane = params.heads as usize * width;
    dq.par_iter_mut().zip(touched.par_iter_mut()).enumerate().for_each(|(at, (dq, touched))| {
        let (own, channel) = (sigma[at / width], at % plane);
        *dq += own * (table[plane + channel] - table[channel]);
        *touched = own * (q[at] + origin[channel]);
    });
}

/// `do = Σσ·(m₁ − m₀)` and `dm₁ = −dm₀ = Σ σ·(q + o)`.
pub fn backward_table<T: Real>(
    params: &Params,
    (table, sigma_sum, touched_sum): (&[T], &[T], &[T]),
    (dorigin, dtable): (&mut [T], &mut [T]),
) {
    let width = params.width as usize;
    let plane = params.heads as usize * width;
    for at in 0..plane {
        dorigin[at] = sigma_sum[at / width] * (table[plane + at] - table[at]);
        dtable[at] = -touched_sum[at];
        dtable[plane + at] = touched_sum[at];
    }
}
