//! The measurable cases of every op, one file each; `benches/main.rs` and `wgrad bench kernels` run them.

use wgrad_engine::testing::bench::Case;

mod activation;
mod adamw;
mod add;
mod attention;
mod attention_relative;
mod column_sums;
mod contrastive;
mod dropout;
mod elementwise;
mod embedding;
mod gather_rows;
mod gelu;
mod l2_normalize;
mod layer_norm;
mod linear_cross_entropy;
mod matmul;
mod mean_pool;
mod reduce;
mod replace_rows;
mod softmax;
mod token_max_pool;
mod top_k;

/// Every case, in the order of the files.
pub fn cases() -> Vec<Case> {
    [
        activation::cases(),
        adamw::cases(),
        add::cases(),
        attention::cases(),
        attention_relative::cases(),
        column_sums::cases(),
        contrastive::cases(),
        dropout::cases(),
        elementwise::cases(),
        embedding::cases(),
        gather_rows::cases(),
        gelu::cases(),
        l2_normalize::cases(),
        layer_norm::cases(),
        linear_cross_entropy::cases(),
        matmul::cases(),
        mean_pool::cases(),
        reduce::cases(),
        replace_rows::cases(),
        softmax::cases(),
        token_max_pool::cases(),
        top_k::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
