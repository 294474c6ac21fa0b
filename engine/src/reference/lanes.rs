//! Loops along rows that a compiler turns into vector instructions, and the blocks that run in parallel.

use std::array;

use super::Real;

/// Partial sums that run side by side: enough for the widest vectors to hide their latency.
const LANES: usize = 16;

/// Elements of one parallel task of an element-wise kernel.
pub const BLOCK: usize = 1 << 14;

/// Rows of one parallel task, so that a task has about [`BLOCK`] elements.
pub fn rows_per_task(channels: usize) -> usize {
    (BLOCK / channels.max(1)).max(1)
}

/// `Σᵢ term(slices[0][i], slices[1][i], …)`, as [`LANES`] interleaved sums: a fixed order, whatever the machine.
///
/// # Panics
/// If the slices differ in length.
pub fn sum<T: Real, const N: usize>(slices: [&[T]; N], term: impl Fn([T; N]) -> T) -> T {
    let length = slices[0].len();
    assert!(slices.iter().all(|slice| slice.len() == length), "slices of one sum have one length");
    let mut sums = [T::zero(); LANES];
    let whole = length - length % LANES;
    for start in (0..whole).step_by(LANES) {
        let blocks: [&[T; LANES]; N] = array::from_fn(|n| {
            slices[n][start..start + LANES].try_into().expect("the range has LANES elements")
        });
        for lane in 0..LANES {
            sums[lane] += term(array::from_fn(|n| blocks[n][lane]));
        }
    }
    for i in whole..length {
        sums[i - whole] += term(array::from_fn(|n| slices[n][i]));
    }
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            sums[lane] = sums[lane] + sums[lane + width];
        }
        width /= 2;
    }
    sums[0]
}
