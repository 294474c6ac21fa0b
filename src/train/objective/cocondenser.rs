//! coCondenser pre-training (Gao & Callan 2022, arXiv:2108.05540, §3.2).

use std::ops::Range;
use std::sync::OnceLock;

use wgrad_engine::file::TensorFile;
use wgrad_engine::ops::{Rows, Targets, add, add_scaled, cast, scale};
use wgrad_engine::weights::Weights;
use wgrad_engine::{Device, Tensor, device::Format, no_grad};
use wgrad_losses::span_contrastive;
use wgrad_models::bert::Config;
use wgrad_models::condenser::States;
use wgrad_models::{Encoder, Mode, Pooling, Similarity, Tokens, Visible, represent};

use super::batch_file::{self, FileTokens};
use super::condenser::{CondenserObjective, total};
use super::token_rows::{LabelledRows, TokenRows};
use super::{BatchError, Batching, Collate, Gather, Losses, Objective, Pretraining, Terms, share};
use crate::data::{MlmBatch, MlmCollator, SpanPairs, TokenBlocks};
use crate::train::Error;
use crate::train::gradient_cache::{Chunks, cache_chunk, surrogate};
use crate::train::recipe::Recipe;

/// A Condenser whose `[CLS]` states are alike for two spans of one document, and unlike for spans of others.
pub struct CoCondenserObjective {
    /// The Condenser with its losses.
    pub condenser: CondenserObjective,
    /// What the masked language model's losses are multiplied by.
    pub mlm_scale: f32,
    /// Rows that are encoded together; `None` for the whole batch.
    pub cache_chunk: Option<usize>,
}

impl CoCondenserObjective {
    /// `loss = mlm_scale·(loss_head + loss_late) + loss_contrastive`, of spans 2i and 2i + 1 of one document.
    fn loss(&self, tokens: &Tokens, labels: &(Rows, Targets), mode: &Mode) -> Terms {
        let states = self.condenser.model.forward(tokens, mode);
        let mut terms = self.condenser.guesses(&states, labels);
        let contrastive = span_contrastive(&vectors(&states)); // of [2·B, H]
        let loss = add_scaled(&contrastive, &total(&terms), self.mlm_scale);
        terms.push(("loss_contrastive", contrastive));
        Terms { loss, terms, hidden: states.late }
    }

    fn terms_of(
        &self,
        device: &Device,
        spans: &LabelledRows<'_>,
        mode: &Mode,
    ) -> Result<Terms, BatchError> {
        let all = 0..spans.tokens.shape[0];
        let (tokens, labels) = spans.upload(device, self.encoder().config(), all)?;
        Ok(self.loss(&tokens, &labels, mode))
    }

    /// The same with its gradients, `chunk` rows at a time: the contrastive loss over the cached vectors of all spans, then
    /// for every chunk its share of the guesses and what the contrastive loss asks of its vectors.
    fn losses_in_chunks(
        &self,
        device: &Device,
        (spans, chunk): (&LabelledRows<'_>, usize),
        (mode, loss_scale): (&Mode, &Tensor),
        gather: &mut Gather<'_>,
    ) -> Result<Losses, BatchError> {
        let config = self.encoder().config();
        let chunks = Chunks::new(spans.tokens.shape, chunk, mode);
        let all = chunks.encode(|rows: Range<usize>, mode: &Mode| {
            let tokens = spans.tokens.upload(device, config, rows)?;
            Ok(represent(self.encoder(), (Pooling::Cls, Similarity::Dot), &tokens, mode).0)
        })?;
        let contrastive = span_contrastive(&all);
        let gradient = contrastive.backward().take(&all).expect("the loss is of every span");

        let mut guesses: Losses = Vec::new();
        chunks.replay(&gradient, |rows, mode, gradient| {
            let (tokens, labels) = spans.upload(device, config, rows.clone())?;
            let states = self.condenser.model.forward(&tokens, mode);
            let of_chunk = self.condenser.guesses(&states, &labels);
            // Each is a mean over the chunk's labels; all of them make the mean over the batch's.
            let share = spans.share(&rows);
            let asked = surrogate(&vectors(&states), gradient);
            let loss = add_scaled(&asked, &total(&of_chunk), share * self.mlm_scale);
            gather(loss.backward_with(loss_scale));
            for (at, (name, guess)) in of_chunk.iter().enumerate() {
                let guess = scale(&guess.detach(), share);
                match guesses.get_mut(at) {
                    Some((_, sum)) => *sum = add(sum, &guess),
                    None => guesses.push((name, guess)),
                }
            }
            Ok(())
        })?;
        let contrastive = contrastive.detach();
        let loss = add_scaled(&contrastive, &total(&guesses), self.mlm_scale);
        guesses.push(("loss_contrastive", contrastive));
        Ok([("loss", loss)].into_iter().chain(guesses).collect())
    }
}

/// The vectors `[2·B, H]` of the spans, in f32: the states of `[CLS]` that the head is given.
fn vectors(states: &States) -> Tensor {
    cast(&states.sentence, Format::Word)
}

/// The batch of a collator, on the host.
fn spans(batch: &MlmBatch) -> LabelledRows<'_> {
    let MlmBatch { rows, tokens, input_ids: ids, lengths, label_positions, labels, .. } = batch;
    let visible = Visible::Lengths(lengths);
    let tokens = TokenRows { shape: [*rows, *tokens], ids, types: None, visible };
    LabelledRows { tokens, positions: label_positions, labels }
}

/// The batch of a file, on the host.
struct FileSpans {
    tokens: FileTokens,
    positions: Vec<u32>,
    labels: Vec<u32>,
}

impl FileSpans {
    /// Reads a batch, which must have two spans a document.
    fn read(config: &Config, file: &TensorFile) -> Result<Self, BatchError> {
        let tokens = FileTokens::read(file, ("input_ids", "attention_mask"))?;
        let shape = tokens.rows().shape;
        if shape[0] % 2 != 0 {
            let problem = format!("has {} rows, expected two spans a document", shape[0]);
            return Err(batch_file::malformed(file, "input_ids", problem));
        }
        let (positions, labels) = batch_file::host_labels(config, file, "labels", shape)?;
        Ok(Self { tokens, positions, labels })
    }

    fn rows(&self) -> LabelledRows<'_> {
        let Self { tokens, positions, labels } = self;
        LabelledRows { tokens: tokens.rows(), positions, labels }
    }
}

impl Pretraining for CoCondenserObjective {
    /// A document of two blocks or more is an example; its blocks are its spans.
    fn examples(blocks: &TokenBlocks, heldout: usize) -> Result<[usize; 2], Error> {
        let pairs = SpanPairs::new(blocks, 0);
        let seen = pairs.before(blocks, heldout);
        if seen > 0 {
            return Ok([seen, pairs.len()]);
        }
        let problem = "expected documents of two spans of max_length tokens or more, found none";
        Err(Error::Setting(format!("objective = cocondenser: {problem}; lower --max-length")))
    }

    fn from_recipe(
        device: &Device,
        config: Config,
        recipe: &mut Recipe,
        seed: u64,
    ) -> Result<Self, Error> {
        let condenser = CondenserObjective::from_recipe(device, config, recipe, seed)?;
        let mlm_scale = recipe.get_in("mlm_scale", 1.0, 0.0.., "a weight of 0 or more")?;
        Ok(Self { condenser, mlm_scale, cache_chunk: cache_chunk(recipe)? })
    }

    fn collate(
        &self,
        recipe: &mut Recipe,
        batching: &Batching<'_>,
    ) -> Result<Collate<MlmBatch>, Error> {
        let Batching { tokenizer, vocabulary, max_length, seed } = *batching;
        let rate = share(recipe, "encoder_mask", 0.15)?;
        let collator = MlmCollator::new(tokenizer, vocabulary, max_length, rate, seed);
        let pairs = OnceLock::new();
        Ok(Box::new(move |blocks, epoch, documents| {
            let pairs = pairs.get_or_init(|| SpanPairs::new(blocks, seed));
            collator.batch(blocks, epoch, &pairs.draw(blocks, epoch, documents))
        }))
    }
}

impl Objective for CoCondenserObjective {
    type Batch = MlmBatch;

    fn terms(&self, device: &Device, batch: &MlmBatch, mode: &Mode) -> Result<Terms, BatchError> {
        self.terms_of(device, &spans(batch), mode)
    }

    fn terms_of_file(
        &self,
        device: &Device,
        file: &TensorFile,
        mode: &Mode,
    ) -> Result<Terms, BatchError> {
        let spans = FileSpans::read(self.encoder().config(), file)?;
        self.terms_of(device, &spans.rows(), mode)
    }

    fn backward(
        &self,
        device: &Device,
        batch: &MlmBatch,
        (mode, scale): (&Mode, &Tensor),
        gather: &mut Gather<'_>,
    ) -> Result<Losses, BatchError> {
        match self.cache_chunk {
            Some(chunk) => {
                self.losses_in_chunks(device, (&spans(batch), chunk), (mode, scale), gather)
            }
            None => Ok(self.terms(device, batch, mode)?.backward(scale, gather).losses()),
        }
    }

    fn backward_of_file(
        &self,
        device: &Device,
        file: &TensorFile,
        (mode, scale): (&Mode, &Tensor),
        gather: &mut Gather<'_>,
    ) -> Result<Terms, BatchError> {
        let Some(chunk) = self.cache_chunk else {
            return Ok(self.terms_of_file(device, file, mode)?.backward(scale, gather));
        };
        let Terms { hidden, .. } = no_grad(|| self.terms_of_file(device, file, &mode.at_row(0)))?;
        let spans = FileSpans::read(self.encoder().config(), file)?;
        let spans = (&spans.rows(), chunk);
        let losses = self.losses_in_chunks(device, spans, (mode, scale), gather)?;
        Ok(Terms::of_losses(losses, hidden))
    }

    fn tokens(batch: &MlmBatch) -> u64 {
        CondenserObjective::tokens(batch)
    }

    fn encoder(&self) -> &dyn Encoder {
        self.condenser.encoder()
    }

    fn weights(&self) -> &Weights {
        self.condenser.weights()
    }

    fn weights_mut(&mut self) -> &mut Weights {
        self.condenser.weights_mut()
    }
}
