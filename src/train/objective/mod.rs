//! Objectives: each joins a model and its losses, and reads like the training section of its paper.

mod batch_file;
mod condenser;
mod contrastive;
mod cross_encoder;
mod dupmae;
pub mod electra;
mod labels;
mod mlm;
mod retromae;
mod xlnet;

use std::path::PathBuf;

use wgrad_engine::file::{FileError, TensorFile};
use wgrad_engine::weights::Weights;
use wgrad_engine::{Device, Tensor};
use wgrad_models::bert::Config;
use wgrad_models::{Encoder, InputError, Mode};

pub use condenser::CondenserObjective;
pub use contrastive::ContrastiveObjective;
pub use cross_encoder::CrossEncoderObjective;
pub use dupmae::{Bag, DupMaeObjective, Norm};
pub use electra::ElectraObjective;
pub use labels::LabelObjective;
pub use mlm::MlmObjective;
pub use retromae::RetroMaeObjective;
pub use xlnet::XlNetObjective;

use super::Error;
use super::recipe::Recipe;
use crate::data::{self, TokenBlocks, Tokenizer};

/// What one forward gives: the loss, and each of its terms by name.
pub struct Terms {
    /// What is minimised, weights included.
    pub loss: Tensor,
    /// The unweighted terms; empty if the loss is the only one.
    pub terms: Vec<(&'static str, Tensor)>,
    /// The encoder's last hidden state `[B, T, H]`, for comparison with other frameworks.
    pub hidden: Tensor,
}

/// What is wrong with a batch.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// Its ids.
    #[error(transparent)]
    Input(#[from] InputError),
    /// Its file.
    #[error(transparent)]
    File(#[from] FileError),
    /// A tensor of the file that does not fit the others.
    #[error("{path}: tensor `{name}` {problem}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Its name.
        name: &'static str,
        /// What was expected and what was found.
        problem: String,
    },
}

/// What makes a batch of token blocks: the blocks, the epoch, and which of them.
pub type Collate<B> = Box<dyn Fn(&TokenBlocks, u64, &[u32]) -> data::Result<B> + Send + Sync>;

/// What the batches of every pre-training objective have in common.
pub struct Batching<'a> {
    /// Turned text into the ids of the blocks.
    pub tokenizer: &'a Tokenizer,
    /// Rows of the word table.
    pub vocabulary: usize,
    /// Tokens of the longest row.
    pub max_length: usize,
    /// Seed of masks.
    pub seed: u64,
}

/// An objective that learns from text alone; [`pretrain`](super::pretrain) and [`gradients`](super::gradients) know it by
/// the name that recipes give it.
pub trait Pretraining: Objective + Sized {
    /// What `config.json` must say that its models are.
    const MODEL_TYPE: &'static str = "bert";

    /// Refuses a configuration of another type of model.
    ///
    /// # Errors
    /// [`Error::Setting`], with both types.
    fn expect_model_type(config: &Config) -> Result<(), Error> {
        let (expected, found) = (Self::MODEL_TYPE, &config.model_type);
        if found == expected {
            return Ok(());
        }
        let setting = format!("objective: expected a model of type `{expected}`, found `{found}`");
        Err(Error::Setting(setting + "; the type is model_type in config.json"))
    }

    /// A fresh model, by what the recipe says of it.
    ///
    /// # Errors
    /// [`Error::Setting`] for a value that it cannot have.
    fn from_recipe(
        device: &Device,
        config: Config,
        recipe: &mut Recipe,
        seed: u64,
    ) -> Result<Self, Error>;

    /// What makes its batches, by what the recipe says of masks.
    ///
    /// # Errors
    /// As [`Pretraining::from_recipe`].
    fn collate(
        &self,
        recipe: &mut Recipe,
        batching: &Batching<'_>,
    ) -> Result<Collate<Self::Batch>, Error>;
}

/// Reads a share of tokens to mask, at least 0 and below 1.
fn share(recipe: &mut Recipe, key: &str, default: f64) -> Result<f64, Error> {
    recipe.get_in(key, default, 0.0..1.0, "a share below 1")
}

/// A model with its losses.
pub trait Objective {
    /// What a loader gives: host arrays.
    type Batch: Send + 'static;

    /// One forward over a batch of the loader.
    ///
    /// # Errors
    /// [`BatchError::Input`] for ids that the model has no rows for.
    fn terms(&self, device: &Device, batch: &Self::Batch, mode: &Mode)
    -> Result<Terms, BatchError>;

    /// One forward over a batch in a file, as `wgrad grad` takes it.
    ///
    /// # Errors
    /// [`BatchError`], naming the tensor.
    fn terms_of_file(
        &self,
        device: &Device,
        file: &TensorFile,
        mode: &Mode,
    ) -> Result<Terms, BatchError>;

    /// Tokens of a batch, padding excluded.
    fn tokens(batch: &Self::Batch) -> u64;

    /// The encoder that is being trained.
    fn encoder(&self) -> &dyn Encoder;

    /// The parameters, which the trainer moves.
    fn weights(&self) -> &Weights;

    /// The parameters, to be loaded and moved.
    fn weights_mut(&mut self) -> &mut Weights;
}
