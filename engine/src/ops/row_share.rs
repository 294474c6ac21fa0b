//! How many lanes share a row, in the kernels that go over whole rows (`shaders/shared/row_share.wgsl`).

use crate::device::{Device, Launch};

/// Lanes for a row of a few hundred words, and for longer ones.
const SHORT: u32 = 64;
const LONG: u32 = 256;
/// Longest row for which the fewer will do: sixteen words a lane.
const SHORT_ROW: usize = 1024;
/// Longest row that one lane walks alone: llvmpipe leaves all loops of an invocation after 65,535 rounds, and a kernel goes
/// over its row up to five times.
const LONGEST_WALK: usize = 8192;

/// Lanes that share a row of `words`, of a kernel whose workgroups have `lanes`.
pub(super) fn row_lanes(device: &Device, words: usize, lanes: u32) -> u32 {
    match words {
        // There a barrier costs more than the walk.
        0..=LONGEST_WALK if device.is_software() => 1,
        0..=SHORT_ROW => SHORT.min(lanes),
        _ => LONG.min(lanes),
    }
}

/// Enough workgroups of `lanes` for `rows` that `row_lanes` share.
pub(super) fn row_launch(rows: usize, row_lanes: u32, lanes: u32) -> Launch {
    Launch::rows(rows.div_ceil((lanes / row_lanes) as usize))
}
