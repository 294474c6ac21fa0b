//! One file an op: backward against differences, every device against the f64 twin.

mod add;
mod attention;
mod column_sums;
mod matmul;
