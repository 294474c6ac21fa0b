//! The operations, one file each: how to call it, what it keeps, how it goes back.

mod add;
mod attention;
mod column_sums;
mod gelu;
mod linear;
mod matmul;
mod product;
mod visibility;

pub use add::add;
pub use attention::attention;
pub use column_sums::column_sums;
pub use gelu::Gelu;
pub use linear::{linear, linear_gelu};
pub use matmul::{Transpose, matmul};
pub use visibility::Visibility;
