//! Twin of `shaders/add.wgsl`.

use rayon::prelude::*;

use super::Real;
use crate::params::add::Params;

/// Elements that one task adds: long enough to hide the task, short enough to balance.
const BLOCK: usize = 1 << 15;

/// `y = a + b`.
pub fn forward<T: Real>(_: &Params, (a, b): (&[T], &[T]), y: &mut [T]) {
    let blocks = y.par_chunks_mut(BLOCK).zip(a.par_chunks(BLOCK).zip(b.par_chunks(BLOCK)));
    blocks.for_each(|(y, (a, b))| {
        for ((y, a), b) in y.iter_mut().zip(a).zip(b) {
            *y = *a + *b;
        }
    });
}
