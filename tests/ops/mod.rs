//! One file an op: backward against differences, every device against the f64 twin.

mod activation;
mod adamw;
mod add;
mod dropout;
mod elementwise;
mod gelu;
mod layer_norm;
mod mean_pool;
mod reduce;
mod sum_of_squares;
