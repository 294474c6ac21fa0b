//! One file an op: backward against differences, every device against the f64 twin.

mod add;
mod l2_normalize;
mod top_k;
