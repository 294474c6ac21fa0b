//! One file an op: backward against differences, every device against the f64 twin.

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
mod sum_of_squares;
mod token_max_pool;
mod top_k;
