//! One file an op: backward against differences, every device against the f64 twin.

mod activation;
mod adamw;
mod add;
mod column_sums;
mod dropout;
mod elementwise;
mod embedding;
mod gather_rows;
mod gelu;
mod layer_norm;
mod matmul;
mod mean_pool;
mod reduce;
mod replace_rows;
mod sum_of_squares;
