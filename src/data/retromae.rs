//! Batches of RetroMAE and DupMAE: a masked encoder input, and the whole text for the decoder to rebuild from one
//! vector and the few tokens each row may see.

use super::blocks::TokenBlocks;
use super::collate::{MlmBatch, MlmCollator};
use super::error::Result;
use super::masking::{budget, draw_visibility, words_per_row};
use super::tokenizer::Tokenizer;

/// A batch for RetroMAE; DupMAE's bag of words is the set of a row's decoder labels.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RetroMaeBatch {
    /// The encoder's side; its `original_ids` are the decoder's input.
    pub encoder: MlmBatch,
    /// `[B, T, ceil(T/32)]`: bit j of row i says that row i may see column j.
    pub decoder_visible: Vec<u32>,
    /// Flat positions `b·T + t` of every token between `[CLS]` and `[SEP]`, increasing.
    pub decoder_label_positions: Vec<u32>,
    /// The tokens there.
    pub decoder_labels: Vec<u32>,
}

impl RetroMaeBatch {
    /// `[B, T]`: the text as it was.
    pub fn decoder_input_ids(&self) -> &[u32] {
        &self.encoder.original_ids
    }
}

/// Makes RetroMAE batches.
#[derive(Clone, Debug)]
pub struct RetroMaeCollator {
    /// Masks the encoder's input; 0.3 in the paper's recipe.
    pub encoder: MlmCollator,
    /// Share of columns hidden from a decoder row.
    pub decoder_rate: f64,
    /// Masks drawn for a sequence; its rows share them. FlagEmbedding draws 128.
    pub pool: usize,
}

impl RetroMaeCollator {
    /// The recipe of staoxiao/RetroMAE: 0.3 of the encoder's tokens, 0.5 of the decoder's columns, 256 masks.
    pub fn new(
        tokenizer: &Tokenizer,
        model_vocab_size: usize,
        max_length: usize,
        seed: u64,
    ) -> Self {
        let encoder = MlmCollator::new(tokenizer, model_vocab_size, max_length, 0.3, seed);
        Self { encoder, decoder_rate: 0.5, pool: 256 }
    }

    /// Makes the batch of these blocks.
    ///
    /// # Errors
    /// As [`MlmCollator::batch`].
    pub fn batch(
        &self,
        blocks: &TokenBlocks,
        epoch: u64,
        examples: &[u32],
    ) -> Result<RetroMaeBatch> {
        let (mut masked, mut drawn) = (Vec::new(), Vec::new());
        for &example in examples {
            let (example, groups, random) = self.encoder.mask(blocks, epoch, example)?;
            masked.push(example);
            drawn.push((groups, random));
        }
        let encoder = self.encoder.join(&masked, examples)?;

        let (tokens, row_words) = (encoder.tokens, words_per_row(encoder.tokens));
        let mut decoder_visible = vec![0; encoder.rows * tokens * row_words];
        let mut decoder_label_positions = Vec::new();
        let mut decoder_labels = Vec::new();
        for (row, (mut groups, mut random)) in drawn.into_iter().enumerate() {
            let ids = &masked[row].original;
            let hidden = budget(ids.len(), self.decoder_rate);
            let visible = &mut decoder_visible[row * tokens * row_words..][..tokens * row_words];
            let pool = self.pool;
            draw_visibility(&mut groups, ids.len(), hidden, pool, &mut random, visible, row_words);
            let text = 1..ids.len() - 1;
            decoder_label_positions.extend(text.clone().map(|at| (row * tokens + at) as u32));
            decoder_labels.extend(&ids[text]);
        }
        Ok(RetroMaeBatch { encoder, decoder_visible, decoder_label_positions, decoder_labels })
    }
}
