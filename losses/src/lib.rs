//! wgrad-losses: what pre-training and fine-tuning minimise, one formula one file.

pub mod bag_of_words;
pub mod causal_lm;
pub mod classification;
pub mod contrastive;
pub mod copy_or_predict;
pub mod distillation;
pub mod listwise;
pub mod masked_lm;
pub mod mean_squared_error;
pub mod pointwise;
pub mod policy_gradient;
pub mod replaced_token;
pub mod span_contrastive;

pub use bag_of_words::bag_of_words;
pub use causal_lm::causal_lm;
pub use classification::classification;
pub use contrastive::contrastive;
pub use copy_or_predict::copy_or_predict;
pub use distillation::{distillation, distillation_over_batch};
pub use listwise::{Candidates, listwise};
pub use masked_lm::masked_lm;
pub use mean_squared_error::mean_squared_error;
pub use pointwise::pointwise;
pub use policy_gradient::{baseline, policy_gradient};
pub use replaced_token::{detection_rows, replaced_token};
pub use span_contrastive::span_contrastive;
