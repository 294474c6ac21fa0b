//! wgrad-models: the encoders of retrieval pre-training, one paper one file.
//!
//! Every file follows its paper: configuration, parameters under their published names, then one expression an
//! equation. Losses live elsewhere; an objective of the `wgrad` package joins the two.

pub mod bert;
pub mod colbert;
pub mod condenser;
pub mod dupmae;
pub mod electra;
pub mod encoder;
pub mod gpt2;
pub mod hybrid;
pub mod labels;
pub mod layers;
pub mod published;
pub mod retriever;
pub mod retromae;
pub mod tokens;
pub mod xlnet;

pub use bert::{Bert, MaskedLm};
pub use colbert::{ColBert, Uncounted};
pub use condenser::Condenser;
pub use dupmae::DupMae;
pub use electra::Electra;
pub use encoder::Encoder;
pub use gpt2::Gpt2;
pub use hybrid::Hybrid;
pub use labels::{Labelled, Labeller};
pub use layers::Mode;
pub use retriever::{Pooling, Retriever, Similarity, represent};
pub use retromae::RetroMae;
pub use tokens::{InputError, Tokens, Visible};
pub use xlnet::{XlNet, XlNetLm};
