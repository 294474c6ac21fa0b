//! The operations, one file each: how to call it, what it keeps, how it goes back.

mod add;
mod column_sums;
mod contrastive;
mod fused_loss;
mod gelu;
mod l2_normalize;
mod linear;
mod linear_cross_entropy;
mod matmul;
mod product;
mod targets;
mod top_k;

pub use add::add;
pub use column_sums::column_sums;
pub use contrastive::{Contrastive, contrastive};
pub use gelu::Gelu;
pub use l2_normalize::l2_normalize;
pub use linear::{linear, linear_gelu};
pub use linear_cross_entropy::linear_cross_entropy;
pub use matmul::{Transpose, matmul};
pub use targets::Targets;
pub use top_k::{MAX_TOP_K, RunningTopK, top_k};
