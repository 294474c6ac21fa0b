//! One file an op: backward against differences, every device against the f64 twin.

mod add;
mod column_sums;
mod embedding;
mod gather_rows;
mod matmul;
mod replace_rows;
