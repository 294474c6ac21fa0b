//! The operations, one file each: how to call it, what it keeps, how it goes back.

mod activation;
mod add;
mod column_sums;
mod dropout;
mod elementwise;
mod embedding;
mod gather_rows;
mod gelu;
mod index;
mod layer_norm;
mod linear;
mod matmul;
mod mean_pool;
mod product;
mod reduce;
mod replace_rows;

pub use activation::{relu, silu, tanh};
pub use add::add;
pub use column_sums::column_sums;
pub use dropout::dropout;
pub use elementwise::{accumulate, add_scaled, assign, multiply, scale, subtract};
pub use embedding::embedding;
pub use gather_rows::gather_rows;
pub use gelu::{Gelu, gelu};
pub use index::{Ids, IndexError, Rows};
pub use layer_norm::layer_norm;
pub use linear::{linear, linear_gelu};
pub use matmul::{Transpose, matmul};
pub use mean_pool::mean_pool;
pub use reduce::{mean, sum};
pub use replace_rows::replace_rows;
