//! Twin of `shaders/dropout.wgsl`, and of `shaders/shared/dropout.wgsl`.

use rayon::prelude::*;

use super::Real;
use super::lanes::rows_per_task;
use crate::params::dropout::Params;
use crate::random::philox;

/// Where a row of dropout draws from: the site and the global row, and what is done with the words.
#[derive(Clone, Copy)]
pub struct RowDropout<T> {
    /// Of the step.
    pub key: [u32; 2],
    /// Global row.
    pub row: u32,
    /// Which dropout of the model.
    pub site: u32,
    /// A word below it drops.
    pub threshold: u32,
    /// Factor of what is kept.
    pub keep_scale: T,
}

impl<T: Real> RowDropout<T> {
    /// `y[c] = x[c]·k[c]` with k = 0 where dropped and `keep_scale` elsewhere.
    pub fn apply(&self, x: &[T], y: &mut [T]) {
        for (quad, (x, y)) in x.chunks(4).zip(y.chunks_mut(4)).enumerate() {
            let words = philox([quad as u32, self.row, self.site, 0], self.key);
            for ((&x, y), word) in x.iter().zip(y).zip(words) {
                *y = if word < self.threshold { T::zero() } else { x * self.keep_scale };
            }
        }
    }
}

/// `y = x ⊙ k` for each of `rows` rows.
pub fn forward<T: Real>(params: &Params, (key, x): (&[u32], &[T]), y: &mut [T]) {
    let channels = params.channels as usize;
    let task = rows_per_task(channels) * channels;
    y.par_chunks_mut(task).zip(x.par_chunks(task)).enumerate().for_each(|(at, (y, x))| {
        let first = params.first_row + (at * rows_per_task(channels)) as u32;
        let rows = y.chunks_mut(channels).zip(x.chunks(channels));
        for (row, (y, x)) in (first..).zip(rows) {
            let (site, threshold) = (params.site, params.threshold);
            let keep_scale = T::of(params.keep_scale.into());
            RowDropout { key: [key[0], key[1]], row, site, threshold, keep_scale }.apply(x, y);
        }
    });
}
