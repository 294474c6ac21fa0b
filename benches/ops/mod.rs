//! The measurable cases of every op, one file each; `benches/main.rs` and `wgrad bench kernels` run them.

use wgrad_engine::testing::bench::Case;

mod add;
mod column_sums;
mod embedding;
mod gather_rows;
mod matmul;
mod replace_rows;

/// Every case, in the order of the files.
pub fn cases() -> Vec<Case> {
    [
        add::cases(),
        column_sums::cases(),
        embedding::cases(),
        gather_rows::cases(),
        matmul::cases(),
        replace_rows::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
