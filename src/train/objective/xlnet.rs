//! XLNet pre-training (Yang et al. 2019, arXiv:1906.08237, §2.2 to §2.6).

mod file;
mod memories;
mod stream;

use std::cell::RefCell;
use std::collections::BTreeMap;

use wgrad_engine::device::Format;
use wgrad_engine::file::TensorFile;
use wgrad_engine::ops::{Rows, Targets, cast, concat, gather_rows};
use wgrad_engine::weights::{Declarations, Weights};
use wgrad_engine::{Device, Tensor};
use wgrad_losses::masked_lm;
use wgrad_models::bert::Config;
use wgrad_models::xlnet::{self, Inputs, Reading, Text};
use wgrad_models::{Encoder, InputError, Mode, XlNetLm};

use self::file::FileBatch;
use self::memories::{Memories, Parts};
use super::{
    BatchError, Batching, Collate, Objective, Pretraining, Stream, Terms, TrainingText, batch_file,
    mlm,
};
use crate::data::{XlNetBatch, XlNetCollator};
use crate::train::Error;
use crate::train::recipe::Recipe;

/// XLNet learning to guess tokens in a random order.
pub struct XlNetObjective {
    /// The encoder and its head.
    pub model: XlNetLm,
    weights: Weights,
    /// How the parts of a batch run, which are equally many rows each: one part, or two (`bi_data`).
    readings: &'static [Reading],
    /// What rows remember of the rows that they go on from.
    memories: RefCell<Memories>,
}

impl XlNetObjective {
    /// A fresh model; `config` carries XLNet's own keys.
    ///
    /// # Errors
    /// [`Error::Setting`] for a configuration that is none of XLNet.
    pub fn new(device: &Device, config: Config, seed: u64) -> Result<Self, Error> {
        let mut own = xlnet::Config::read(&config).map_err(Error::Setting)?;
        let readings = readings(own.bi_data);
        // It says how batches of pre-training run; what is written is for whoever reads one way.
        own.published.rest.entry("bi_data").and_modify(|both_ways| *both_ways = false.into());
        let mut d = Declarations::default();
        let model = XlNetLm::declare(&mut d, own);
        let weights = Weights::allocate(device, d, seed);
        Ok(Self { model, weights, readings, memories: RefCell::default() })
    }

    /// `loss = −mean log p(x_z | x_<z)` over the predicted tokens (eq. 3 and 5), by the query stream, whose states are
    /// `hidden: [B, P, H]`.
    fn loss(&self, hidden: Tensor, (labelled, targets): &(Rows, Targets)) -> Terms {
        let XlNetLm { xlnet, bias } = &self.model;
        let (rows, channels) = hidden.shape().rows_and_last();
        let states = gather_rows(&hidden.reshape([rows, channels]), labelled); // [R, H]
        let loss = masked_lm(&states, &xlnet.word_embedding, bias, targets);
        Terms { loss, terms: Vec::new(), hidden }
    }

    /// The query stream `[B, P, H]` of all parts, and what each layer of each part met.
    fn predict(
        &self,
        device: &Device,
        text: &Text<'_>,
        memory: &Parts,
        mode: &Mode,
    ) -> Result<(Tensor, Parts), InputError> {
        let (mut hidden, mut contents) = (Vec::new(), Parts::new());
        for (part, (&reading, memory)) in self.readings.iter().zip(memory).enumerate() {
            let text = part_of(text, part, self.readings.len());
            let text = Text { reading, ..text };
            let xlnet = &self.model.xlnet;
            let inputs = Inputs::new(device, &xlnet.config, &text, memory.clone())?;
            let predictions = xlnet.predict(&inputs, mode);
            hidden.push(predictions.hidden);
            contents.push(predictions.contents);
        }
        if let [all] = &hidden[..] {
            return Ok((all.clone(), contents));
        }
        let words: Vec<Tensor> = hidden.iter().map(|part| cast(part, Format::Word)).collect();
        let all = concat(&words.iter().collect::<Vec<_>>(), 0);
        Ok((mode.store(&all), contents))
    }
}

/// How the parts of a batch run.
fn readings(both_ways: bool) -> &'static [Reading] {
    if both_ways { &[Reading::Forward, Reading::Backward] } else { &[Reading::Forward] }
}

/// The rows of `part` of `parts`.
fn part_of<'a>(text: &Text<'a>, part: usize, parts: usize) -> Text<'a> {
    fn piece<T>(all: &[T], part: usize, parts: usize) -> &[T] {
        let length = all.len() / parts;
        &all[part * length..][..length]
    }
    let [rows, tokens] = text.shape;
    Text {
        shape: [rows / parts, tokens],
        ids: piece(text.ids, part, parts),
        segments: text.segments.map(|segments| piece(segments, part, parts)),
        visible: piece(text.visible, part, parts),
        places: text.places.map(|places| piece(places, part, parts)),
        ..*text
    }
}

/// K.
fn partial(recipe: &mut Recipe) -> Result<usize, Error> {
    recipe.get_in("partial", 6, 1..=64, "1 to 64 tokens for each predicted")
}

impl Pretraining for XlNetObjective {
    const MODEL_TYPE: &'static str = "xlnet";

    fn from_recipe(
        device: &Device,
        config: Config,
        recipe: &mut Recipe,
        seed: u64,
    ) -> Result<Self, Error> {
        let mut objective = Self::new(device, config, seed)?;
        let both_ways = recipe.get("bi_data", objective.readings.len() > 1)?;
        objective.readings = readings(both_ways);
        Ok(objective)
    }

    fn collate(
        &self,
        recipe: &mut Recipe,
        batching: &Batching<'_>,
    ) -> Result<Collate<XlNetBatch>, Error> {
        let Batching { tokenizer, vocabulary, max_length, seed } = *batching;
        let mut collator = XlNetCollator::new(tokenizer, vocabulary, max_length, seed);
        collator.partial = partial(recipe)?;
        Ok(Box::new(move |blocks, epoch, examples| collator.batch(blocks, epoch, examples)))
    }

    fn stream(
        &mut self,
        recipe: &mut Recipe,
        batching: &Batching<'_>,
        text: TrainingText<'_>,
        rows: usize,
    ) -> Result<Option<Stream<XlNetBatch>>, Error> {
        self.walk(recipe, batching, text, rows)
    }
}

impl Objective for XlNetObjective {
    type Batch = XlNetBatch;

    fn terms(&self, device: &Device, batch: &XlNetBatch, mode: &Mode) -> Result<Terms, BatchError> {
        let XlNetBatch { rows, tokens, places, .. } = batch;
        let text = Text {
            shape: [*rows, *tokens],
            reading: Reading::Forward,
            ids: &batch.input_ids,
            segments: Some(&batch.segments),
            visible: &batch.visible,
            places: Some(places),
        };
        let memory = self.recall(device, batch);
        let (hidden, contents) = self.predict(device, &text, &memory, mode)?;
        self.remember(batch.walk, &memory, &contents);
        let at: Vec<u32> =
            (0..places.len() as u32).filter(|&at| places[at as usize].is_some()).collect();
        let labelled = mlm::rows(device, &at, places.len());
        let targets = Targets::new(device, &batch.labels, self.model.xlnet.config.vocab_size);
        Ok(self.loss(hidden, &(labelled, targets)))
    }

    fn terms_of_file(
        &self,
        device: &Device,
        file: &TensorFile,
        mode: &Mode,
    ) -> Result<Terms, BatchError> {
        let parts = self.readings.len();
        let batch = FileBatch::read(self.encoder().config(), file, parts)?;
        let text = Text {
            shape: batch.shape,
            reading: Reading::Forward,
            ids: &batch.ids,
            segments: batch.segments.as_deref(),
            visible: &batch.visible,
            places: Some(&batch.places),
        };
        let rows = batch.shape[0];
        let memory = file::memory(device, &self.model.xlnet.config, file, [rows, parts])?;
        let (hidden, _) = self.predict(device, &text, &memory, mode)?;
        let shape = [rows, batch.places.len() / rows];
        let labels = batch_file::labels(device, self.encoder().config(), file, "labels", shape)?;
        Ok(self.loss(hidden, &labels))
    }

    fn carried(&self) -> BTreeMap<String, Tensor> {
        self.memories.borrow().named()
    }

    fn carry_on(&mut self, carried: BTreeMap<String, Tensor>) {
        self.memories.get_mut().restore(carried);
    }

    fn tokens(batch: &XlNetBatch) -> u64 {
        batch.lengths.iter().map(|&length| u64::from(length)).sum()
    }

    fn encoder(&self) -> &dyn Encoder {
        &self.model.xlnet
    }

    fn weights(&self) -> &Weights {
        &self.weights
    }

    fn weights_mut(&mut self) -> &mut Weights {
        &mut self.weights
    }
}
