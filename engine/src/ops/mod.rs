//! The operations, one file each: how to call it, what it keeps, how it goes back.

mod activation;
mod add;
mod attention;
mod column_sums;
mod contrastive;
mod dropout;
mod elementwise;
mod embedding;
mod fused_loss;
mod gather_rows;
mod gelu;
mod index;
mod l2_normalize;
mod layer_norm;
mod linear;
mod linear_cross_entropy;
mod linear_sample;
mod matmul;
mod max_sim;
mod mean_pool;
mod product;
mod reduce;
mod replace_rows;
mod softmax;
mod targets;
mod token_max_pool;
mod top_k;
mod visibility;

pub use activation::{relu, silu, tanh};
pub use add::add;
pub use attention::attention;
pub use column_sums::column_sums;
pub use contrastive::{Contrastive, contrastive};
pub use dropout::dropout;
pub use elementwise::{accumulate, add_scaled, assign, multiply, scale, subtract};
pub use embedding::embedding;
pub use gather_rows::gather_rows;
pub use gelu::{Gelu, gelu};
pub use index::{Ids, IndexError, Rows};
pub use l2_normalize::l2_normalize;
pub use layer_norm::layer_norm;
pub use linear::{linear, linear_gelu};
pub use linear_cross_entropy::{
    linear_cross_entropy, linear_cross_entropy_rows, linear_cross_entropy_smoothed,
};
pub use linear_sample::linear_sample;
pub use matmul::{Transpose, matmul};
pub use max_sim::{MaxSim, Pairs, max_sim};
pub use mean_pool::mean_pool;
pub use reduce::{mean, sum};
pub use replace_rows::replace_rows;
pub use softmax::{log_softmax, softmax};
pub use targets::Targets;
pub use token_max_pool::{MaxPooled, token_max_pool};
pub use top_k::{MAX_TOP_K, RunningTopK, top_k};
pub use visibility::Visibility;
