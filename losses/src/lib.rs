//! wgrad-losses: what pre-training and fine-tuning minimise, one formula one file.

pub mod bag_of_words;
pub mod classification;
pub mod contrastive;
pub mod distillation;
pub mod masked_lm;
pub mod mean_squared_error;
pub mod relevance;
pub mod replaced_token;

pub use bag_of_words::bag_of_words;
pub use classification::classification;
pub use contrastive::contrastive;
pub use distillation::{distillation, distillation_over_batch};
pub use masked_lm::masked_lm;
pub use mean_squared_error::mean_squared_error;
pub use relevance::{listwise, pointwise};
pub use replaced_token::replaced_token;
