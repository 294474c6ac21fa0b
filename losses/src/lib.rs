//! wgrad-losses: what pre-training and fine-tuning minimise, one formula one file.

pub mod bag_of_words;
pub mod contrastive;
pub mod distillation;
pub mod listwise;
pub mod masked_lm;
pub mod replaced_token;

pub use bag_of_words::bag_of_words;
pub use contrastive::contrastive;
pub use distillation::{distillation, distillation_over_batch};
pub use listwise::{Candidates, listwise};
pub use masked_lm::masked_lm;
pub use replaced_token::replaced_token;
