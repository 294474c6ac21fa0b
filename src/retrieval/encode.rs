//! Texts to vectors.

use std::path::Path;

use wgrad_engine::weights::{Declarations, Weights};
use wgrad_engine::{Device, no_grad};
use wgrad_models::bert::Config;
use wgrad_models::encoder::declare;
use wgrad_models::{InputError, Mode, Pooling, Retriever, Similarity, Tokens, Visible, represent};

use crate::checkpoint::{self, ModelDirectory};
use crate::data::{self, Padding, Side, TokenBatch, Tokenizer};

/// A retriever that was read from a directory, with its tokenizer.
pub struct Encoder {
    /// The model.
    pub model: Retriever,
    /// Its tokenizer.
    pub tokenizer: Tokenizer,
    /// Tokens of the longest text that it was trained for, if its directory says so.
    pub max_length: Option<usize>,
    weights: Weights,
}

/// What can go wrong when texts are encoded.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The model directory.
    #[error(transparent)]
    Model(#[from] checkpoint::Error),
    /// The tokenizer, or the texts.
    #[error(transparent)]
    Data(#[from] data::Error),
    /// The ids.
    #[error(transparent)]
    Input(#[from] InputError),
}

impl Encoder {
    /// Reads a model directory. Pooling and similarity are what its sentence-transformers files say; without them
    /// `[CLS]`, or the last token of a causal model, and cosine.
    ///
    /// # Errors
    /// [`Error`], naming the file.
    pub fn open(device: &Device, dir: &Path) -> Result<Self, Error> {
        let directory = ModelDirectory::open(dir)?;
        let fitting = (Pooling::fitting(&directory.config.model_type), Similarity::default());
        let (pooling, similarity) = directory.pooling()?.unwrap_or(fitting);
        let mut d = Declarations::default();
        let encoder = declare(&mut d, directory.config.clone())
            .map_err(|reason| directory.wrong_config(reason))?;
        let mut weights = Weights::allocate(device, d, 0);
        directory.load_into(&mut weights)?;
        let (tokenizer, max_length) = (Tokenizer::load(dir)?, directory.max_length()?);
        Ok(Self {
            model: Retriever { encoder, pooling, similarity },
            tokenizer,
            max_length,
            weights,
        })
    }

    /// Numbers of a vector.
    pub fn width(&self) -> usize {
        self.model.encoder.config().hidden_size
    }

    /// One vector a text of `side`, in order: `[N, H]`. Texts of like length share a batch, so that little is padding.
    ///
    /// # Errors
    /// As [`encode`].
    pub fn encode<S: AsRef<str> + Sync>(
        &self,
        side: Side,
        texts: &[S],
        max_length: usize,
        batch_size: usize,
        done: impl FnMut(usize),
    ) -> Result<Vec<f32>, Error> {
        let longest = max_length.min(self.model.encoder.config().max_position_embeddings);
        let ids = self.tokenizer.encode_batch(side, texts, longest);
        let pad = self.tokenizer.special().pad;
        let Retriever { encoder, pooling, similarity } = &self.model;
        let device = self.weights.device();
        encode(device, &**encoder, (*pooling, *similarity), &ids, (pad, batch_size), done)
    }
}

/// One vector a row of `ids` (special tokens included), in order: `[N, H]`; `done` hears how many are encoded.
///
/// # Errors
/// An id that the model has no row for.
pub fn encode(
    device: &Device,
    encoder: &dyn wgrad_models::Encoder,
    how: (Pooling, Similarity),
    ids: &[Vec<u32>],
    (pad, batch_size): (u32, usize),
    done: impl FnMut(usize),
) -> Result<Vec<f32>, Error> {
    let config = encoder.config();
    let width = config.hidden_size;
    let mut vectors = vec![0.0; ids.len() * width];
    for_batches(device, config, ids, (pad, batch_size), done, |tokens, at| {
        let (encoded, _) = no_grad(|| represent(encoder, how, tokens, &Mode::evaluation()));
        for (vector, &at) in encoded.to_f32().chunks_exact(width).zip(at) {
            vectors[at * width..][..width].copy_from_slice(vector);
        }
    })?;
    Ok(vectors)
}

/// Calls `encode` with the rows of `ids` in batches, and with which rows these are. Texts of like length share a batch,
/// the longest first.
pub(super) fn for_batches(
    device: &Device,
    config: &Config,
    ids: &[Vec<u32>],
    (pad, batch_size): (u32, usize),
    mut done: impl FnMut(usize),
    mut encode: impl FnMut(&Tokens, &[usize]),
) -> Result<(), Error> {
    let mut order: Vec<usize> = (0..ids.len()).collect();
    order.sort_by_key(|&at| std::cmp::Reverse(ids[at].len()));
    for (count, batch) in order.chunks(batch_size.max(1)).enumerate() {
        let rows: Vec<&[u32]> = batch.iter().map(|&at| ids[at].as_slice()).collect();
        let limit = config.max_position_embeddings;
        let name = |row: usize| format!("text {}", batch[row]);
        let padded =
            TokenBatch::pad(&rows, pad, Padding::default(), limit, config.vocab_size, name)?;
        let shape = [padded.rows, padded.tokens];
        let visible = Visible::Lengths(&padded.lengths);
        let tokens = Tokens::new(device, config, shape, &padded.input_ids, None, visible)?;
        encode(&tokens, batch);
        done((count * batch_size + batch.len()).min(ids.len()));
    }
    Ok(())
}

/// The names that [`pooling_of`] knows.
pub const POOLINGS: [&str; 4] = ["cls", "mean", "max", "last"];

/// The name of the pooling that fits an architecture.
pub fn fitting_pooling(model_type: &str) -> &'static str {
    if Pooling::fitting(model_type) == Pooling::Last { "last" } else { "cls" }
}

/// Pooling and similarity by the names of the settings.
pub fn pooling_of(pooling: &str, similarity: &str) -> (Pooling, Similarity) {
    let pooling = match pooling {
        "mean" => Pooling::Mean,
        "max" => Pooling::Max,
        "last" => Pooling::Last,
        _ => Pooling::Cls,
    };
    (pooling, if similarity == "dot" { Similarity::Dot } else { Similarity::Cosine })
}
