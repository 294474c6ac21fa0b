//! DupMAE pre-training (Liu et al. 2023, RetroMAE-2, arXiv:2305.02564).

use std::collections::BTreeSet;

use wgrad_engine::file::TensorFile;
use wgrad_engine::ops::{add, add_scaled};
use wgrad_engine::weights::{Declarations, Weights};
use wgrad_engine::{Device, Tensor};
use wgrad_losses::bag_of_words;
use wgrad_models::bert::Config;
use wgrad_models::dupmae::{Pooled, Projection};
use wgrad_models::retromae::{DecoderQuery, Decoding};
use wgrad_models::{DupMae, Encoder, Mode};

use super::retromae::{Inputs, collate, decoder_query, losses};
use super::{BatchError, Batching, Collate, Objective, Pretraining, Terms, batch_file};
use crate::data::{MlmBatch, RetroMaeBatch};
use crate::train::Error;
use crate::train::recipe::Recipe;

/// RetroMAE, and the bag of words on the other tokens' states.
pub struct DupMaeObjective {
    /// Encoder, head, decoder and projection.
    pub model: DupMae,
    bag: Bag,
    weights: Weights,
}

/// What the bag of words is made of, and what it counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bag {
    /// Which tokens speak.
    pub pooled: Pooled,
    /// What each word of a text weighs.
    pub norm: Norm,
    /// What the term weighs in the loss.
    pub weight: f32,
}

impl Default for Bag {
    /// As the authors' code.
    fn default() -> Self {
        Self { pooled: Pooled::default(), norm: Norm::default(), weight: 0.1 }
    }
}

/// What each word of a text weighs in the sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Norm {
    /// 1/N, N the tokens of the text, repeated ones counted each time: as the authors' code.
    #[default]
    Length,
    /// 1/N, N the different tokens of the text: the weights of a text sum to 1.
    Unique,
    /// 1: as the paper.
    None,
}

/// A text as the bag of words sees it: flat positions in the batch.
struct Texts {
    /// `[B, T]`: no padding.
    attended: Vec<bool>,
    /// `[B, T]`: the word that stood here, of the sentence as it was.
    word: Vec<Option<u32>>,
    /// `[B, T]`: to be guessed by the encoder.
    masked: Vec<bool>,
}

impl DupMaeObjective {
    /// A fresh model.
    pub fn new(
        device: &Device,
        config: Config,
        (query, projection): (DecoderQuery, Projection),
        bag: Bag,
        seed: u64,
    ) -> Self {
        let mut d = Declarations::default();
        let model = DupMae::declare(&mut d, config, query, projection);
        Self { model, bag, weights: Weights::allocate(device, d, seed) }
    }

    /// `loss = loss_encoder + loss_decoder + weight · loss_bow`.
    fn loss(&self, inputs: &Inputs, texts: &Texts, mode: &Mode) -> Terms {
        let (hidden, [loss_encoder, loss_decoder]) = losses(&self.model.retromae, inputs, mode);
        let shape = [inputs.encoder.rows, inputs.encoder.tokens];
        let device = hidden.device();
        let pooled = Tensor::u32(device, shape, &self.bag.pooled(texts, shape[1]));
        let scores = self.model.bag_of_words(&hidden, &pooled); // [B, V]
        let vocabulary = self.config().vocab_size;
        let words = self.bag.words(texts, shape[1], vocabulary);
        let loss_bow = bag_of_words(&scores, &Tensor::f32(device, [shape[0], vocabulary], &words));

        let loss = add_scaled(&add(&loss_encoder, &loss_decoder), &loss_bow, self.bag.weight);
        let terms = vec![
            ("loss_encoder", loss_encoder),
            ("loss_decoder", loss_decoder),
            ("loss_bow", loss_bow),
        ];
        Terms { loss, terms, hidden }
    }

    fn config(&self) -> &Config {
        &self.model.retromae.encoder.bert.config
    }
}

impl Bag {
    /// `[B, T]`: 1 where a token speaks.
    fn pooled(&self, texts: &Texts, tokens: usize) -> Vec<u32> {
        let speaks = |at: usize| match self.pooled {
            Pooled::All => texts.attended[at] && !at.is_multiple_of(tokens),
            Pooled::Ordinary => texts.word[at].is_some(),
            Pooled::Unmasked => texts.word[at].is_some() && !texts.masked[at],
        };
        (0..texts.word.len()).map(|at| u32::from(speaks(at))).collect()
    }

    /// w, `[B, V]`: what each word of a text weighs, however often it stands there.
    fn words(&self, texts: &Texts, tokens: usize, vocabulary: usize) -> Vec<f32> {
        let mut weights = vec![0.0; texts.word.len() / tokens * vocabulary];
        for (text, weights) in texts.word.chunks(tokens).zip(weights.chunks_mut(vocabulary)) {
            let length = text.iter().flatten().count();
            let unique: BTreeSet<u32> = text.iter().flatten().copied().collect();
            let weight = match self.norm {
                Norm::Length => 1.0 / length as f32,
                Norm::Unique => 1.0 / unique.len() as f32,
                Norm::None => 1.0,
            };
            for word in unique {
                weights[word as usize] = weight;
            }
        }
        weights
    }
}

impl Texts {
    fn of_batch(batch: &RetroMaeBatch) -> Self {
        let MlmBatch { rows, tokens, lengths, label_positions, .. } = &batch.encoder;
        let mut word = vec![None; rows * tokens];
        for (&at, &label) in batch.decoder_label_positions.iter().zip(&batch.decoder_labels) {
            word[at as usize] = Some(label);
        }
        let mut masked = vec![false; rows * tokens];
        for &at in label_positions {
            masked[at as usize] = true;
        }
        let attended = |at: usize| at % tokens < lengths[at / tokens] as usize;
        Self { attended: (0..rows * tokens).map(attended).collect(), word, masked }
    }

    /// The labels were checked when the decoder's were made.
    fn of_file(file: &TensorFile, shape: [usize; 2]) -> Result<Self, BatchError> {
        let labels = |name| batch_file::shaped(file, name, &shape);
        let word = |&label: &i64| (label != batch_file::IGNORED).then_some(label as u32);
        let is_label = |&label: &i64| label != batch_file::IGNORED;
        Ok(Self {
            attended: labels("attention_mask")?.iter().map(|&bit| bit != 0).collect(),
            word: labels("decoder_labels")?.iter().map(word).collect(),
            masked: labels("labels")?.iter().map(is_label).collect(),
        })
    }
}

impl Pretraining for DupMaeObjective {
    fn from_recipe(
        device: &Device,
        config: Config,
        recipe: &mut Recipe,
        seed: u64,
    ) -> Result<Self, Error> {
        let query = decoder_query(recipe, "bert_embed")?;
        let projection = match recipe.choice("bow_projection", &["mlm_head", "own"], "mlm_head")? {
            "own" => Projection::Own,
            _ => Projection::MlmHead,
        };
        let pooled = match recipe.choice("bow_tokens", &["all", "ordinary", "unmasked"], "all")? {
            "unmasked" => Pooled::Unmasked,
            "ordinary" => Pooled::Ordinary,
            _ => Pooled::All,
        };
        let norm = match recipe.choice("bow_norm", &["length", "unique", "none"], "length")? {
            "none" => Norm::None,
            "unique" => Norm::Unique,
            _ => Norm::Length,
        };
        let weight = recipe.get_in("bow_weight", 0.1, 0.0..=f32::MAX, "a number of 0 or more")?;
        Ok(Self::new(device, config, (query, projection), Bag { pooled, norm, weight }, seed))
    }

    fn collate(
        &self,
        recipe: &mut Recipe,
        batching: &Batching<'_>,
    ) -> Result<Collate<RetroMaeBatch>, Error> {
        collate(recipe, batching, Decoding::Enhanced)
    }
}

impl Objective for DupMaeObjective {
    type Batch = RetroMaeBatch;

    fn terms(
        &self,
        device: &Device,
        batch: &RetroMaeBatch,
        mode: &Mode,
    ) -> Result<Terms, BatchError> {
        let inputs = Inputs::of_batch(device, self.config(), batch)?;
        Ok(self.loss(&inputs, &Texts::of_batch(batch), mode))
    }

    fn terms_of_file(
        &self,
        device: &Device,
        file: &TensorFile,
        mode: &Mode,
    ) -> Result<Terms, BatchError> {
        let inputs = Inputs::of_file(device, self.config(), file)?;
        let shape = [inputs.encoder.rows, inputs.encoder.tokens];
        Ok(self.loss(&inputs, &Texts::of_file(file, shape)?, mode))
    }

    fn tokens(batch: &RetroMaeBatch) -> u64 {
        batch.encoder.lengths.iter().map(|&length| u64::from(length)).sum()
    }

    fn encoder(&self) -> &dyn Encoder {
        &self.model.retromae.encoder.bert
    }

    fn weights(&self) -> &Weights {
        &self.weights
    }

    fn weights_mut(&mut self) -> &mut Weights {
        &mut self.weights
    }
}

#[cfg(test)]
mod tests {
    use super::{Bag, Norm, Pooled, Texts};

    /// `[CLS] 3 4 3 [SEP]` with the second word masked, and `[CLS] [SEP]`, which has no word.
    fn texts() -> Texts {
        let (none, two) = (None, [Some(3), Some(4), Some(3)]);
        Texts {
            attended: [[true; 5], [true, true, false, false, false]].concat(),
            word: [&[none][..], &two, &[none], &[none; 5]].concat(),
            masked: (0..10).map(|at| at == 2).collect(),
        }
    }

    #[test]
    fn a_bag_counts_each_word_once() {
        for (norm, weight) in [(Norm::Length, 1.0 / 3.0), (Norm::Unique, 0.5), (Norm::None, 1.0)] {
            let words = Bag { norm, ..Bag::default() }.words(&texts(), 5, 6);
            let expected = [&[0.0, 0.0, 0.0, weight, weight, 0.0][..], &[0.0; 6]].concat();
            assert_eq!(words, expected, "{norm:?}");
        }
    }

    #[test]
    fn the_chosen_tokens_speak() {
        for (pooled, expected) in [
            (Pooled::All, [0, 1, 1, 1, 1, 0, 1, 0, 0, 0]),
            (Pooled::Ordinary, [0, 1, 1, 1, 0, 0, 0, 0, 0, 0]),
            (Pooled::Unmasked, [0, 1, 0, 1, 0, 0, 0, 0, 0, 0]),
        ] {
            let speaking = Bag { pooled, ..Bag::default() }.pooled(&texts(), 5);
            assert_eq!(speaking, expected, "{pooled:?}");
        }
    }
}
