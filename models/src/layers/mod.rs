//! Blocks that several papers define alike, each with its parameters.

mod conv1d;
mod layer_norm;
mod linear;
mod mode;

pub use conv1d::Conv1d;
pub use layer_norm::LayerNorm;
pub use linear::Linear;
pub use mode::Mode;
