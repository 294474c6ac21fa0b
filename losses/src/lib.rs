//! wgrad-losses: what pre-training and fine-tuning minimise, one formula one file.

pub mod contrastive;
pub mod distillation;
pub mod masked_lm;

pub use contrastive::contrastive;
pub use distillation::{distillation, distillation_over_batch};
pub use masked_lm::masked_lm;
