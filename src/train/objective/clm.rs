//! Causal language modelling (Radford et al. 2019; the pre-training of the models that cpt begins from).

use wgrad_engine::Device;
use wgrad_engine::file::TensorFile;
use wgrad_engine::ops::{Rows, Targets};
use wgrad_engine::weights::{Declarations, Weights};
use wgrad_losses::causal_lm;
use wgrad_models::bert::Config;
use wgrad_models::{Encoder, Gpt2, Mode, Pooling, Tokens, Visible, gpt2};

use super::{BatchError, Batching, Collate, Objective, Pretraining, Terms, batch_file};
use crate::data::{CausalCollator, TokenBatch};
use crate::train::Error;
use crate::train::recipe::Recipe;

/// GPT-2 learning to guess the next token.
pub struct ClmObjective {
    /// The encoder, whose word table is the head.
    pub model: Gpt2,
    weights: Weights,
}

impl ClmObjective {
    /// A fresh model; `config` carries GPT-2's own keys.
    ///
    /// # Errors
    /// [`Error::Setting`] for a configuration that is none of GPT-2.
    pub fn new(device: &Device, config: &Config, seed: u64) -> Result<Self, Error> {
        let own = gpt2::Config::read(config).map_err(Error::Setting)?;
        let mut d = Declarations::default();
        let model = Gpt2::declare(&mut d, own);
        Ok(Self { model, weights: Weights::allocate(device, d, seed) })
    }

    /// `loss = −mean log p(x_{t+1} | x_≤t)` over the tokens that have a `label`, but for the first of a row, which follows none.
    fn loss(&self, tokens: &Tokens, label: impl Fn(usize) -> Option<u32>, mode: &Mode) -> Terms {
        let places = (0..tokens.rows * tokens.tokens).filter(|at| at % tokens.tokens > 0);
        let (before, next): (Vec<u32>, Vec<u32>) =
            places.filter_map(|at| Some((at as u32 - 1, label(at)?))).unzip();
        let hidden = self.model.forward(tokens, mode); // [B, T, H]
        let device = hidden.device();
        let before = Rows::new(device, &before, tokens.rows * tokens.tokens);
        let before = before.expect("places are found in order");
        let next = Targets::new(device, &next, self.model.config.vocab_size);
        let states = self.model.states(&hidden, &before); // [R, H]
        let loss = causal_lm(&states, &self.model.wte, &next);
        Terms { loss, terms: Vec::new(), hidden }
    }
}

impl Pretraining for ClmObjective {
    const MODEL_TYPE: &'static str = "gpt2";
    const POOLING: Pooling = Pooling::Last;

    fn from_recipe(
        device: &Device,
        config: Config,
        _: &mut Recipe,
        seed: u64,
    ) -> Result<Self, Error> {
        Self::new(device, &config, seed)
    }

    fn collate(
        &self,
        _: &mut Recipe,
        batching: &Batching<'_>,
    ) -> Result<Collate<TokenBatch>, Error> {
        let Batching { tokenizer, vocabulary, max_length, .. } = *batching;
        let collator = CausalCollator::new(tokenizer, vocabulary, max_length);
        Ok(Box::new(move |blocks, _, examples| collator.batch(blocks, examples)))
    }
}

impl Objective for ClmObjective {
    type Batch = TokenBatch;

    fn terms(&self, device: &Device, batch: &TokenBatch, mode: &Mode) -> Result<Terms, BatchError> {
        let (shape, config) = ([batch.rows, batch.tokens], self.encoder().config());
        let visible = Visible::Lengths(&batch.lengths);
        let tokens = Tokens::new(device, config, shape, &batch.input_ids, None, visible)?;
        let is_text = |at: usize| at % batch.tokens < batch.lengths[at / batch.tokens] as usize;
        Ok(self.loss(&tokens, |at| is_text(at).then(|| batch.input_ids[at]), mode))
    }

    /// `labels` as transformers takes them: the label of a token stands at that token, and is guessed one place before it.
    fn terms_of_file(
        &self,
        device: &Device,
        file: &TensorFile,
        mode: &Mode,
    ) -> Result<Terms, BatchError> {
        let config = self.encoder().config();
        let tokens = batch_file::tokens(device, config, file, ("input_ids", "attention_mask"))?;
        let shape = [tokens.rows, tokens.tokens];
        let labels = batch_file::label_values(config, file, "labels", shape)?;
        Ok(self.loss(&tokens, |at| labels[at], mode))
    }

    fn tokens(batch: &TokenBatch) -> u64 {
        batch.lengths.iter().map(|&length| u64::from(length)).sum()
    }

    fn encoder(&self) -> &dyn Encoder {
        &self.model
    }

    fn weights(&self) -> &Weights {
        &self.weights
    }

    fn weights_mut(&mut self) -> &mut Weights {
        &mut self.weights
    }
}
