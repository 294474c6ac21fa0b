//! wgrad-losses: what pre-training and fine-tuning minimise, one formula one file.

pub mod bag_of_words;
pub mod causal_lm;
pub mod contrastive;
pub mod distillation;
pub mod masked_lm;
pub mod replaced_token;

pub use bag_of_words::bag_of_words;
pub use causal_lm::causal_lm;
pub use contrastive::contrastive;
pub use distillation::{distillation, distillation_over_batch};
pub use masked_lm::masked_lm;
pub use replaced_token::replaced_token;
