//! The measurable cases of every op, one file each; `benches/main.rs` and `wgrad bench kernels` run them.

use wgrad_engine::testing::bench::Case;

mod add;
mod contrastive;
mod l2_normalize;
mod linear_cross_entropy;
mod top_k;

/// Every case, in the order of the files.
pub fn cases() -> Vec<Case> {
    [
        add::cases(),
        contrastive::cases(),
        l2_normalize::cases(),
        linear_cross_entropy::cases(),
        top_k::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
