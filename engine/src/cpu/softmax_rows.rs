//! The logarithm of a sum of exponentials over one row, block by block in the first-level cache.

use super::exp::{exp_slice, max_slice};

/// Columns of a block: 8 KiB.
const BLOCK: usize = 2048;

/// Below every logit; its exponential is 0, so that it hides a column.
pub(super) const HIDDEN: f32 = -1e30;

/// `log Σ exp(x)` over `columns` values, which `fill(start, x)` writes for the columns from `start` on; it is asked
/// for each block twice, for the maximum and for the sum.
pub(super) fn log_sum_exp(columns: usize, fill: impl Fn(usize, &mut [f32])) -> f32 {
    let mut block = [0.0; BLOCK];
    let starts = (0..columns).step_by(BLOCK);
    let mut each_block = |start: usize, work: &mut dyn FnMut(&mut [f32])| {
        let x = &mut block[..BLOCK.min(columns - start)];
        fill(start, x);
        work(x);
    };
    let mut highest = HIDDEN;
    for start in starts.clone() {
        each_block(start, &mut |x| highest = max_slice(x, highest));
    }
    let mut sum = 0.0;
    for start in starts {
        each_block(start, &mut |x| sum += exp_slice(x, highest));
    }
    highest + sum.ln()
}
