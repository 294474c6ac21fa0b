//! The measurable cases of every op, one file each; `benches/main.rs` and `wgrad bench kernels` run them.

use wgrad_engine::testing::bench::Case;

mod adamw;
mod add;
mod dropout;
mod gelu;
mod layer_norm;
mod mean_pool;
mod reduce;

/// Every case, in the order of the files.
pub fn cases() -> Vec<Case> {
    [
        adamw::cases(),
        add::cases(),
        dropout::cases(),
        gelu::cases(),
        layer_norm::cases(),
        mean_pool::cases(),
        reduce::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
