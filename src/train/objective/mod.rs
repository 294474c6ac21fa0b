//! Objectives: each joins a model and its losses, and reads like the training section of its paper.

mod batch_file;
mod clm;
mod cocondenser;
mod colbert;
mod condenser;
mod contrastive;
mod cpt;
mod cross_encoder;
mod dupmae;
pub mod electra;
pub mod hybrid;
mod labels;
mod mlm;
mod retromae;
mod token_rows;
mod xlnet;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use wgrad_engine::file::{FileError, TensorFile};
use wgrad_engine::weights::Weights;
use wgrad_engine::{Device, Gradients, Tensor};
use wgrad_models::bert::Config;
use wgrad_models::{Encoder, InputError, Mode, Pooling};

pub use clm::ClmObjective;
pub use cocondenser::CoCondenserObjective;
pub use colbert::{ColbertObjective, Settings as ColbertSettings};
pub use condenser::CondenserObjective;
pub use contrastive::ContrastiveObjective;
pub use cpt::CptObjective;
pub use cross_encoder::CrossEncoderObjective;
pub use dupmae::{Bag, DupMaeObjective, Norm};
pub use electra::ElectraObjective;
pub use hybrid::HybridObjective;
pub use labels::LabelObjective;
pub use mlm::MlmObjective;
pub use retromae::RetroMaeObjective;
pub use xlnet::XlNetObjective;

use super::Error;
use super::pretrain::Start;
use super::recipe::Recipe;
use super::trainer::TrainError;
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

impl Terms {
    /// Hands the gradients of `scale`·loss over.
    pub fn backward(self, scale: &Tensor, gather: &mut Gather<'_>) -> Self {
        gather(self.loss.backward_with(scale));
        self
    }

    /// From the loss, which stands first, and its terms.
    ///
    /// # Panics
    /// If there is no loss.
    #[track_caller]
    pub fn of_losses(losses: Losses, hidden: Tensor) -> Self {
        let mut losses = losses.into_iter();
        let (_, loss) = losses.next().expect("the loss stands first");
        Self { loss, terms: losses.collect(), hidden }
    }

    /// The loss, then its terms.
    pub fn losses(self) -> Losses {
        [("loss", self.loss)].into_iter().chain(self.terms).collect()
    }
}

/// Losses by name.
pub type Losses = Vec<(&'static str, Tensor)>;

/// Takes the gradients of parameters. Those of one batch may come in parts, which add up.
pub type Gather<'a> = dyn FnMut(Gradients) + 'a;

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

/// Batches that go on from each other.
pub struct Stream<B> {
    /// The batch of a micro-step, a pure function of it.
    pub batch: Arc<dyn Fn(u64) -> data::Result<B> + Send + Sync>,
    /// Batches over text that training never sees, in order.
    pub heldout: Vec<B>,
}

/// The blocks of a corpus, and the first that training never sees.
pub type TrainingText<'a> = (&'a Arc<TokenBlocks>, usize);

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
    /// How its encoder's states become a vector in the retrieval test during training.
    const POOLING: Pooling = Pooling::Cls;

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

    /// How many examples lie before the block `heldout`, and how many there are: what a sampler draws from. An example is a
    /// block, unless the objective says otherwise; its [`Collate`] knows.
    ///
    /// # Errors
    /// [`Error::Setting`] if there is nothing to learn from.
    fn examples(blocks: &TokenBlocks, heldout: usize) -> Result<[usize; 2], Error> {
        Ok([heldout, blocks.len()])
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

    /// Takes what `start` has of its parameters; gives the names of heads that a directory lacks, which stay fresh.
    ///
    /// # Errors
    /// [`TrainError`] for a directory that is not the model's, or a start that the objective cannot have.
    fn begin(&mut self, start: &Start) -> Result<Vec<String>, TrainError> {
        match start {
            Start::Directory(directory) => Ok(directory.load_into(self.weights_mut())?),
            Start::Fresh(_) => Ok(Vec::new()),
        }
    }

    /// What makes its batches, by what the recipe says of masks.
    ///
    /// # Errors
    /// As [`Pretraining::from_recipe`].
    fn collate(
        &self,
        recipe: &mut Recipe,
        batching: &Batching<'_>,
    ) -> Result<Collate<Self::Batch>, Error>;

    /// Rows that go on from batch to batch along the text, if the recipe asks for them; otherwise blocks are drawn in random
    /// order.
    ///
    /// # Errors
    /// As [`Pretraining::from_recipe`].
    fn stream(
        &mut self,
        _recipe: &mut Recipe,
        _batching: &Batching<'_>,
        _text: TrainingText<'_>,
        _rows: usize,
    ) -> Result<Option<Stream<Self::Batch>>, Error> {
        Ok(None)
    }
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

    /// Forward and backward over a batch of the loader: hands the gradients of `scale`·loss over, and gives the loss, first,
    /// and its terms. An objective that goes over the batch in parts has its own.
    ///
    /// # Errors
    /// As [`Objective::terms`].
    fn backward(
        &self,
        device: &Device,
        batch: &Self::Batch,
        (mode, scale): (&Mode, &Tensor),
        gather: &mut Gather<'_>,
    ) -> Result<Losses, BatchError> {
        Ok(self.terms(device, batch, mode)?.backward(scale, gather).losses())
    }

    /// The same over a batch in a file, with the last hidden state.
    ///
    /// # Errors
    /// As [`Objective::terms_of_file`].
    fn backward_of_file(
        &self,
        device: &Device,
        file: &TensorFile,
        (mode, scale): (&Mode, &Tensor),
        gather: &mut Gather<'_>,
    ) -> Result<Terms, BatchError> {
        Ok(self.terms_of_file(device, file, mode)?.backward(scale, gather))
    }

    /// What a step hands on to the next beside weights and moments, by name; checkpoints keep it.
    fn carried(&self) -> BTreeMap<String, Tensor> {
        BTreeMap::new()
    }

    /// Goes on from what a checkpoint kept: names and shapes are those of [`Objective::carried`].
    fn carry_on(&mut self, _carried: BTreeMap<String, Tensor>) {}

    /// Tokens of a batch, padding excluded.
    fn tokens(batch: &Self::Batch) -> u64;

    /// The encoder that is being trained.
    fn encoder(&self) -> &dyn Encoder;

    /// The parameters, which the trainer moves.
    fn weights(&self) -> &Weights;

    /// The parameters, to be loaded and moved.
    fn weights_mut(&mut self) -> &mut Weights;

    /// Brings parameters back to where they must be, after each step of the optimizer.
    fn constrain(&mut self) {}
}
