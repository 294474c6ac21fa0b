//! Joins examples of different length into batches padded on the right, and masks them for masked language modelling.

use std::sync::Arc;

use super::blocks::TokenBlocks;
use super::error::{Error, Result};
use super::masking::{Corruption, budget, sample_words, word_groups};
use super::random::{Purpose, Random};
use super::tokenizer::{SpecialIds, Tokenizer};

/// How long the rows of a batch are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding {
    /// To the longest row, rounded up to a multiple of this many tokens, but not beyond the longest allowed.
    Longest(usize),
    /// To the longest length allowed: every batch has one shape.
    Fixed,
}

impl Default for Padding {
    fn default() -> Self {
        Self::Longest(8)
    }
}

impl Padding {
    /// Tokens of each row of a batch whose longest example has `longest` tokens.
    pub fn tokens(self, longest: usize, max_length: usize) -> usize {
        match self {
            Self::Longest(multiple) => longest.next_multiple_of(multiple).min(max_length),
            Self::Fixed => max_length,
        }
    }
}

/// Token ids `[B, T]`, padded on the right.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TokenBatch {
    /// B.
    pub rows: usize,
    /// T.
    pub tokens: usize,
    /// `[B, T]`, row by row.
    pub input_ids: Vec<u32>,
    /// `[B]`: tokens of each row that are not padding, special tokens included.
    pub lengths: Vec<u32>,
}

impl TokenBatch {
    /// Pads examples that already have their special tokens.
    ///
    /// # Errors
    /// [`Error::IdOutOfRange`] for an id that is not below `vocab_size`; `name` says which example a row is.
    ///
    /// # Panics
    /// If an example is longer than `max_length`.
    pub fn pad<E: AsRef<[u32]>>(
        examples: &[E],
        pad: u32,
        padding: Padding,
        max_length: usize,
        vocab_size: usize,
        name: impl Fn(usize) -> String,
    ) -> Result<Self> {
        let longest = examples.iter().map(|example| example.as_ref().len()).max().unwrap_or(0);
        assert!(
            longest <= max_length,
            "pad: an example has {longest} tokens, expected at most {max_length}"
        );
        let tokens = padding.tokens(longest, max_length);
        let mut input_ids = vec![pad; examples.len() * tokens];
        let mut lengths = Vec::with_capacity(examples.len());
        for (row, example) in examples.iter().enumerate() {
            let ids = example.as_ref();
            if let Some(&id) = ids.iter().find(|&&id| id as usize >= vocab_size) {
                return Err(Error::IdOutOfRange { id, vocab_size, example: name(row) });
            }
            input_ids[row * tokens..row * tokens + ids.len()].copy_from_slice(ids);
            lengths.push(ids.len() as u32);
        }
        Ok(Self { rows: examples.len(), tokens, input_ids, lengths })
    }
}

/// A batch for masked language modelling.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MlmBatch {
    /// B.
    pub rows: usize,
    /// T.
    pub tokens: usize,
    /// `[B, T]`, corrupted.
    pub input_ids: Vec<u32>,
    /// `[B, T]`, as they were: the decoder's input in RetroMAE, the discriminator's in ELECTRA.
    pub original_ids: Vec<u32>,
    /// `[B]`.
    pub lengths: Vec<u32>,
    /// Flat positions `b·T + t` of the tokens to guess, increasing. May be empty if all text is `[UNK]`.
    pub label_positions: Vec<u32>,
    /// What stood there, one a position.
    pub labels: Vec<u32>,
}

/// What masking chooses among.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unit {
    /// Whole words.
    #[default]
    Word,
    /// Single tokens.
    Token,
}

/// What the rate is a share of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Counted {
    /// The sequence with `[CLS]` and `[SEP]` (BERT, RetroMAE).
    #[default]
    WithSpecials,
    /// The text alone (Condenser).
    TextOnly,
}

/// Makes masked batches; every choice is a function of (seed, epoch, example).
#[derive(Clone, Debug)]
pub struct MlmCollator {
    /// Share of tokens to guess.
    pub rate: f64,
    /// Seed of the masks.
    pub seed: u64,
    /// Longest row, special tokens included; longer blocks lose their end.
    pub max_length: usize,
    /// Rows of the model's embedding table.
    pub model_vocab_size: usize,
    /// How rows are padded.
    pub padding: Padding,
    /// What masking chooses among.
    pub unit: Unit,
    /// What the rate is a share of.
    pub counted: Counted,
    /// What stands in place of a masked token.
    pub corruption: Corruption,
    special: SpecialIds,
    continuation: Arc<[bool]>,
}

/// One example before padding.
pub(crate) struct Masked {
    pub(crate) original: Vec<u32>,
    pub(crate) corrupted: Vec<u32>,
    pub(crate) positions: Vec<usize>,
    pub(crate) labels: Vec<u32>,
}

impl MlmCollator {
    /// Whole words, 80/10/10, padded to a multiple of 8.
    pub fn new(
        tokenizer: &Tokenizer,
        model_vocab_size: usize,
        max_length: usize,
        rate: f64,
        seed: u64,
    ) -> Self {
        let continuation =
            (0..tokenizer.vocab_size()).map(|id| tokenizer.is_continuation(id as u32)).collect();
        Self {
            rate,
            seed,
            max_length,
            model_vocab_size,
            padding: Padding::default(),
            unit: Unit::default(),
            counted: Counted::default(),
            corruption: Corruption::BERT,
            special: tokenizer.special(),
            continuation,
        }
    }

    /// Makes the batch of these blocks.
    ///
    /// # Errors
    /// [`Error::IdOutOfRange`] if an id is not one of the tokenizer's and the model's.
    ///
    /// # Panics
    /// If an example is not below `blocks.len()`.
    pub fn batch(&self, blocks: &TokenBlocks, epoch: u64, examples: &[u32]) -> Result<MlmBatch> {
        let masked = examples
            .iter()
            .map(|&example| self.mask(blocks, epoch, example).map(|(masked, ..)| masked))
            .collect::<Result<Vec<_>>>()?;
        self.join(&masked, examples)
    }

    /// Masks one block; gives its words and its stream of random numbers too, for what else is drawn for it.
    pub(crate) fn mask(
        &self,
        blocks: &TokenBlocks,
        epoch: u64,
        example: u32,
    ) -> Result<(Masked, Vec<std::ops::Range<usize>>, Random)> {
        let mut random = Random::new(self.seed, Purpose::Masking, epoch, example.into());
        let text = blocks.get(example as usize);
        let text = &text[..text.len().min(self.max_length - 2)];
        let original = [&[self.special.cls], text, &[self.special.sep]].concat();
        let vocab_size = self.model_vocab_size.min(self.continuation.len());
        if let Some(&id) = original.iter().find(|&&id| id as usize >= vocab_size) {
            return Err(Error::IdOutOfRange { id, vocab_size, example: block_name(example) });
        }

        let (cls, sep) = (self.special.cls, self.special.sep);
        let continues = |id: u32| self.unit == Unit::Word && self.continuation[id as usize];
        let mut groups = word_groups(&original, cls, sep, continues);
        let length = match self.counted {
            Counted::WithSpecials => original.len(),
            Counted::TextOnly => text.len(),
        };
        let mut positions = Vec::new();
        let ordinary = |word: &std::ops::Range<usize>| -> Vec<usize> {
            word.clone().filter(|&at| !self.special.all().contains(&original[at])).collect()
        };
        sample_words(&mut groups, budget(length, self.rate), &mut random, |word| {
            positions.extend(ordinary(word));
        });
        if positions.is_empty() {
            // Every word is longer than the budget, or those drawn are [UNK]: a mean over no label is no number,
            // so one word is taken whatever its length.
            sample_words(&mut groups, usize::MAX, &mut random, |word| {
                if positions.is_empty() {
                    positions = ordinary(word);
                }
            });
        }
        positions.sort_unstable();
        let mut corrupted = original.clone();
        let mask = self.special.mask;
        let labels =
            self.corruption.apply(&mut corrupted, &positions, mask, vocab_size, &mut random);
        Ok((Masked { original, corrupted, positions, labels }, groups, random))
    }

    /// The id of `[MASK]`.
    pub(crate) fn mask_id(&self) -> u32 {
        self.special.mask
    }

    /// Pads masked examples into one batch.
    pub(crate) fn join(&self, masked: &[Masked], examples: &[u32]) -> Result<MlmBatch> {
        let pad = |rows: &[&[u32]]| {
            let name = |row: usize| block_name(examples[row]);
            let Self { padding, max_length, model_vocab_size, .. } = *self;
            TokenBatch::pad(rows, self.special.pad, padding, max_length, model_vocab_size, name)
        };
        let corrupted = pad(&masked.iter().map(|m| &m.corrupted[..]).collect::<Vec<_>>())?;
        let original = pad(&masked.iter().map(|m| &m.original[..]).collect::<Vec<_>>())?;
        let TokenBatch { rows, tokens, input_ids, lengths } = corrupted;
        let flat = |(row, m): (usize, &Masked)| -> Vec<u32> {
            m.positions.iter().map(|at| (row * tokens + at) as u32).collect()
        };
        Ok(MlmBatch {
            rows,
            tokens,
            input_ids,
            original_ids: original.input_ids,
            lengths,
            label_positions: masked.iter().enumerate().flat_map(flat).collect(),
            labels: masked.iter().flat_map(|m| m.labels.iter().copied()).collect(),
        })
    }
}

fn block_name(example: u32) -> String {
    format!("block {example} of the training data")
}
