//! Scores of queries with passages, read together by a cross-encoder.

use std::path::Path;

use rayon::prelude::*;
use wgrad_engine::weights::{Declarations, Weights};
use wgrad_engine::{Device, no_grad};
use wgrad_models::{Labelled, Labeller, Mode, Tokens, Visible};

use super::encode::Error;
use crate::checkpoint::ModelDirectory;
use crate::data::{Padding, TokenBatch, Tokenizer};

/// A cross-encoder that was read from a directory, with its tokenizer.
pub struct CrossEncoder {
    /// The model.
    pub model: Labeller,
    /// Its tokenizer.
    pub tokenizer: Tokenizer,
    /// Tokens of the longest pair: those it was trained for, or its positions.
    pub max_length: usize,
    weights: Weights,
}

/// `[CLS] query [SEP] passage [SEP]` as ids.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    ids: Vec<u32>,
    /// Where the passage begins, and token types become 1.
    boundary: usize,
}

impl Pair {
    /// Joins two texts, the longer one cut first.
    pub fn new(tokenizer: &Tokenizer, query: &str, passage: &str, max_length: usize) -> Self {
        let (ids, boundary) = tokenizer.encode_pair(query, passage, max_length);
        Self { ids, boundary }
    }
}

impl CrossEncoder {
    /// Reads a model directory.
    ///
    /// # Errors
    /// [`Error`], naming the file: also if the model gives another number of scores than one.
    pub fn open(device: &Device, dir: &Path) -> Result<Self, Error> {
        let directory = ModelDirectory::open(dir)?;
        let mut d = Declarations::default();
        let model = Labeller::declare(&mut d, directory.config.clone(), Labelled::Texts)
            .map_err(|reason| directory.wrong_config(reason))?;
        let scores = model.classifier.weight.declared_shape().axes()[0];
        if scores != 1 {
            let reason =
                format!("id2label names {scores} answers, expected the one of a cross-encoder");
            return Err(directory.wrong_config(reason).into());
        }
        let mut weights = Weights::allocate(device, d, 0);
        directory.load_whole(&mut weights)?;
        let tokenizer = Tokenizer::load(dir)?;
        let limit = directory.config.max_position_embeddings;
        let max_length = directory.longest_row()?.map_or(limit, |longest| longest.min(limit));
        Ok(Self { model, tokenizer, max_length, weights })
    }

    /// The score of each (query, passage), in order.
    ///
    /// # Errors
    /// As [`scores`].
    pub fn scores(
        &self,
        pairs: &[(&str, &str)],
        max_length: usize,
        batch_size: usize,
        done: impl FnMut(usize),
    ) -> Result<Vec<f32>, Error> {
        let tokenizer = &self.tokenizer; // not `self`: a model is of one thread
        let pair =
            |(query, passage): &(&str, &str)| Pair::new(tokenizer, query, passage, max_length);
        let pairs: Vec<Pair> = pairs.par_iter().map(pair).collect();
        let pad = self.tokenizer.special().pad;
        scores(self.weights.device(), &self.model, &pairs, (pad, batch_size), done)
    }
}

/// The score of each pair, in order; pairs of like length share a batch. `done` hears how many are scored.
///
/// # Errors
/// An id that the model has no row for.
pub fn scores(
    device: &Device,
    model: &Labeller,
    pairs: &[Pair],
    (pad, batch_size): (u32, usize),
    mut done: impl FnMut(usize),
) -> Result<Vec<f32>, Error> {
    let config = model.encoder.config();
    let limit = config.max_position_embeddings;
    let mut order: Vec<usize> = (0..pairs.len()).collect();
    order.sort_by_key(|&at| std::cmp::Reverse(pairs[at].ids.len()));
    let mut scores = vec![0.0; pairs.len()];
    let mut count = 0;
    for batch in order.chunks(batch_size.max(1)) {
        let rows: Vec<&[u32]> = batch.iter().map(|&at| &pairs[at].ids[..]).collect();
        let name = |row: usize| format!("pair {}", batch[row] + 1);
        let padded =
            TokenBatch::pad(&rows, pad, Padding::default(), limit, config.vocab_size, name)?;
        let mut types = vec![0; padded.input_ids.len()];
        for (row, &at) in batch.iter().enumerate() {
            let Pair { ids, boundary } = &pairs[at];
            types[row * padded.tokens..][*boundary..ids.len()].fill(1);
        }
        let (shape, visible) = ([padded.rows, padded.tokens], Visible::Lengths(&padded.lengths));
        let ids = &padded.input_ids;
        let tokens = Tokens::new(device, config, shape, ids, Some(&types), visible)?;
        let found = no_grad(|| {
            let (states, _) = model.states(&tokens, None, &Mode::evaluation());
            model.scores(&states).to_f32()
        });
        batch.iter().zip(found).for_each(|(&at, score)| scores[at] = score);
        count += batch.len();
        done(count);
    }
    Ok(scores)
}
