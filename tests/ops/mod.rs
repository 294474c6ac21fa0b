//! One file an op: backward against differences, every device against the f64 twin.

mod add;
mod column_sums;
mod contrastive;
mod l2_normalize;
mod linear_cross_entropy;
mod matmul;
mod top_k;
