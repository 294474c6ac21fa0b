//! Masked language modelling (Devlin et al. 2019, arXiv:1810.04805, §3.1, task 1).

use wgrad_engine::Device;
use wgrad_engine::file::TensorFile;
use wgrad_engine::ops::{Rows, Targets};
use wgrad_engine::weights::{Declarations, Weights};
use wgrad_losses::masked_lm;
use wgrad_models::bert::Config;
use wgrad_models::{Encoder, MaskedLm, Mode, Tokens, Visible};

use super::{BatchError, Batching, Collate, Objective, Pretraining, Terms, batch_file, share};
use crate::data::{MlmBatch, MlmCollator};
use crate::train::Error;
use crate::train::recipe::Recipe;

/// BERT learning to guess masked tokens.
pub struct MlmObjective {
    /// The encoder and its head.
    pub model: MaskedLm,
    weights: Weights,
}

impl MlmObjective {
    /// A fresh model.
    pub fn new(device: &Device, config: Config, seed: u64) -> Self {
        let mut d = Declarations::default();
        let model = MaskedLm::declare(&mut d, config);
        Self { model, weights: Weights::allocate(device, d, seed) }
    }

    /// `loss = masked_lm(head(bert(corrupted)))`.
    fn loss(&self, tokens: &Tokens, (labelled, targets): &(Rows, Targets), mode: &Mode) -> Terms {
        let MaskedLm { bert, head } = &self.model;
        let hidden = bert.forward(tokens, mode); // [B, T, H]
        let states = head.transform(&hidden, labelled); // [R, H]
        let loss = masked_lm(&states, &head.decoder, &head.bias, targets);
        Terms { loss, terms: Vec::new(), hidden }
    }
}

/// The corrupted tokens of a batch, and the rows to guess with what stood there.
pub(super) fn inputs(
    device: &Device,
    config: &Config,
    batch: &MlmBatch,
) -> Result<(Tokens, (Rows, Targets)), BatchError> {
    let shape = [batch.rows, batch.tokens];
    let visible = Visible::Lengths(&batch.lengths);
    let tokens = Tokens::new(device, config, shape, &batch.input_ids, None, visible)?;
    let labelled = rows(device, &batch.label_positions, batch.rows * batch.tokens);
    let targets = Targets::new(device, &batch.labels, config.vocab_size);
    Ok((tokens, (labelled, targets)))
}

/// The labelled rows of a collated batch.
pub(super) fn rows(device: &Device, positions: &[u32], rows: usize) -> Rows {
    Rows::new(device, positions, rows).expect("a collator gives increasing positions of the batch")
}

impl Pretraining for MlmObjective {
    fn from_recipe(
        device: &Device,
        config: Config,
        _: &mut Recipe,
        seed: u64,
    ) -> Result<Self, Error> {
        Ok(Self::new(device, config, seed))
    }

    fn collate(
        &self,
        recipe: &mut Recipe,
        batching: &Batching<'_>,
    ) -> Result<Collate<MlmBatch>, Error> {
        let Batching { tokenizer, vocabulary, max_length, seed } = *batching;
        let rate = share(recipe, "encoder_mask", 0.15)?;
        let collator = MlmCollator::new(tokenizer, vocabulary, max_length, rate, seed);
        Ok(Box::new(move |blocks, epoch, examples| collator.batch(blocks, epoch, examples)))
    }
}

impl Objective for MlmObjective {
    type Batch = MlmBatch;

    fn terms(&self, device: &Device, batch: &MlmBatch, mode: &Mode) -> Result<Terms, BatchError> {
        let (tokens, labels) = inputs(device, &self.model.bert.config, batch)?;
        Ok(self.loss(&tokens, &labels, mode))
    }

    fn terms_of_file(
        &self,
        device: &Device,
        file: &TensorFile,
        mode: &Mode,
    ) -> Result<Terms, BatchError> {
        let config = &self.model.bert.config;
        let tokens = batch_file::tokens(device, config, file, ("input_ids", "attention_mask"))?;
        let shape = [tokens.rows, tokens.tokens];
        let labels = batch_file::labels(device, config, file, "labels", shape)?;
        Ok(self.loss(&tokens, &labels, mode))
    }

    fn tokens(batch: &MlmBatch) -> u64 {
        batch.lengths.iter().map(|&length| u64::from(length)).sum()
    }

    fn encoder(&self) -> &dyn Encoder {
        &self.model.bert
    }

    fn weights(&self) -> &Weights {
        &self.weights
    }

    fn weights_mut(&mut self) -> &mut Weights {
        &mut self.weights
    }
}
