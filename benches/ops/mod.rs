//! The measurable cases of every op, one file each; `benches/main.rs` and `wgrad bench kernels` run them.

use wgrad_engine::testing::bench::Case;

mod add;

/// Every case, in the order of the files.
pub fn cases() -> Vec<Case> {
    [add::cases()].into_iter().flatten().collect()
}
