//! Twin of `shaders/top_k.wgsl`.

use std::cmp::Ordering;

use super::Real;
use crate::params::top_k::Params;

/// The k largest of each row, best first: ties to the lower column, NaN last.
pub fn forward<T: Real>(params: &Params, scores: &[T], (values, indices): (&mut [T], &mut [u32])) {
    let (columns, k) = (params.columns as usize, params.k as usize);
    for row in 0..params.rows as usize {
        let scores = &scores[row * columns..][..columns];
        let mut order: Vec<u32> = (0..params.columns).collect();
        order.sort_by(|&a, &b| descending(scores[a as usize], scores[b as usize]));
        for (i, &column) in order[..k].iter().enumerate() {
            values[row * k + i] = scores[column as usize];
            indices[row * k + i] = column;
        }
    }
}

/// Larger first, NaN after everything; −0 equals +0.
fn descending<T: Real>(a: T, b: T) -> Ordering {
    b.partial_cmp(&a).unwrap_or_else(|| a.f64().is_nan().cmp(&b.f64().is_nan()))
}
