//! The operations, one file each: how to call it, what it keeps, how it goes back.

mod add;
mod column_sums;
mod embedding;
mod gather_rows;
mod gelu;
mod index;
mod linear;
mod matmul;
mod product;
mod replace_rows;

pub use add::add;
pub use column_sums::column_sums;
pub use embedding::embedding;
pub use gather_rows::gather_rows;
pub use gelu::Gelu;
pub use index::{Ids, IndexError, Rows};
pub use linear::{linear, linear_gelu};
pub use matmul::{Transpose, matmul};
pub use replace_rows::replace_rows;
