//! The measurable cases of every op, one file each; `benches/main.rs` and `wgrad bench kernels` run them.

use wgrad_engine::testing::bench::Case;

mod activation;
mod adamw;
mod add;
mod attention;
mod attention_biased;
mod attention_relative;
mod cast;
mod column_sums;
mod concat;
mod contrastive;
mod dropout;
mod elementwise;
mod embedding;
mod gather_rows;
mod gelu;
mod l2_normalize;
mod lamb;
mod layer_norm;
mod linear_cross_entropy;
mod linear_sample;
mod matmul;
mod max_pool;
mod max_sim;
mod mean_pool;
mod multiply_add;
mod reduce;
mod replace_rows;
mod softmax;
mod token_max_pool;
mod top_k;

/// Rows of a chunk of scores, as the engine cuts them: 64 MiB at most in whole steps of 64 rows, spread evenly; 64 rows at least.
fn rows_of_chunk(rows: usize, columns: usize) -> usize {
    let fitting = ((64 << 20) / (4 * columns) / 64 * 64).max(64);
    rows.div_ceil(rows.div_ceil(fitting)).next_multiple_of(64).min(rows)
}

/// Every case, in the order of the files.
pub fn cases() -> Vec<Case> {
    [
        activation::cases(),
        adamw::cases(),
        add::cases(),
        attention::cases(),
        attention_biased::cases(),
        cast::cases(),
        attention_relative::cases(),
        column_sums::cases(),
        concat::cases(),
        contrastive::cases(),
        dropout::cases(),
        elementwise::cases(),
        embedding::cases(),
        gather_rows::cases(),
        gelu::cases(),
        l2_normalize::cases(),
        lamb::cases(),
        layer_norm::cases(),
        linear_cross_entropy::cases(),
        linear_sample::cases(),
        matmul::cases(),
        max_pool::cases(),
        max_sim::cases(),
        mean_pool::cases(),
        multiply_add::cases(),
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
