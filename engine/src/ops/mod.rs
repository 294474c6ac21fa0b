//! The operations, one file each: how to call it, what it keeps, how it goes back.

mod add;
mod l2_normalize;
mod top_k;

pub use add::add;
pub use l2_normalize::l2_normalize;
pub use top_k::{MAX_TOP_K, RunningTopK, top_k};
