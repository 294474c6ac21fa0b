//! wgrad-losses: what pre-training and fine-tuning minimise, one formula one file.

pub mod contrastive;
pub mod masked_lm;
pub mod replaced_token;

pub use contrastive::contrastive;
pub use masked_lm::masked_lm;
pub use replaced_token::replaced_token;
