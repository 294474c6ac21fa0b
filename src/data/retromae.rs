//! Batches of RetroMAE and DupMAE: a masked encoder input, and what the decoder rebuilds the text from beside one
//! vector: the few tokens that each row may see, or a text that is masked again.

use std::ops::Range;

use super::blocks::TokenBlocks;
use super::collate::{Masked, MlmBatch, MlmCollator};
use super::error::Result;
use super::masking::{MaskPool, budget, draw_visibility, sample_words, words_per_row};
use super::random::Random;
use super::tokenizer::Tokenizer;

/// A batch for RetroMAE; DupMAE's bag of words is the set of a row's decoder labels.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RetroMaeBatch {
    /// The encoder's side; its `original_ids` are the decoder's input, but of basic decoding.
    pub encoder: MlmBatch,
    /// `[B, T, ceil(T/32)]`: bit j of row i says that row i may see column j. Empty in basic decoding, where every row
    /// sees its text.
    pub decoder_visible: Vec<u32>,
    /// `[B, T]`: the decoder's input in basic decoding, with `[MASK]` at every label.
    pub decoder_masked_ids: Option<Vec<u32>>,
    /// Flat positions `b·T + t` of the tokens to rebuild, increasing: every token between `[CLS]` and `[SEP]`, or those
    /// that basic decoding masks.
    pub decoder_label_positions: Vec<u32>,
    /// The tokens there.
    pub decoder_labels: Vec<u32>,
}

impl RetroMaeBatch {
    /// `[B, T]`: the text as it was, or in basic decoding as it is masked.
    pub fn decoder_input_ids(&self) -> &[u32] {
        self.decoder_masked_ids.as_ref().unwrap_or(&self.encoder.original_ids)
    }
}

/// What the decoder is given besides one vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecoderMasks {
    /// The text, of which each row sees some tokens (enhanced decoding).
    Visibility(MaskPool),
    /// The text with whole words masked, which are to be rebuilt (basic decoding).
    Tokens,
}

/// Makes RetroMAE batches.
#[derive(Clone, Debug)]
pub struct RetroMaeCollator {
    /// Masks the encoder's input; 0.3 in the paper's recipe.
    pub encoder: MlmCollator,
    /// Share of the text hidden from the decoder, or from each of its rows.
    pub decoder_rate: f64,
    /// How it is hidden.
    pub masks: DecoderMasks,
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
        Self { encoder, decoder_rate: 0.5, masks: DecoderMasks::Visibility(MaskPool::RETROMAE) }
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

        match self.masks {
            DecoderMasks::Visibility(pool) => {
                Ok(self.with_visibility(encoder, masked, drawn, pool))
            }
            DecoderMasks::Tokens => Ok(self.with_masked_text(encoder, masked, drawn)),
        }
    }

    /// Enhanced decoding: every token is rebuilt, by a row that sees a draw of the others.
    fn with_visibility(
        &self,
        encoder: MlmBatch,
        masked: Vec<Masked>,
        drawn: Vec<Drawn>,
        pool: MaskPool,
    ) -> RetroMaeBatch {
        let (tokens, row_words) = (encoder.tokens, words_per_row(encoder.tokens));
        let mut batch = RetroMaeBatch {
            decoder_visible: vec![0; encoder.rows * tokens * row_words],
            encoder,
            ..RetroMaeBatch::default()
        };
        for (row, (mut groups, mut random)) in drawn.into_iter().enumerate() {
            let ids = &masked[row].original;
            let hidden = budget(ids.len(), self.decoder_rate);
            let visible =
                &mut batch.decoder_visible[row * tokens * row_words..][..tokens * row_words];
            draw_visibility(&mut groups, ids.len(), hidden, pool, &mut random, visible, row_words);
            let text = 1..ids.len() - 1;
            let positions = text.clone().map(|at| (row * tokens + at) as u32);
            batch.decoder_label_positions.extend(positions);
            batch.decoder_labels.extend(&ids[text]);
        }
        batch
    }

    /// Basic decoding: some whole words are masked, and rebuilt from all others.
    fn with_masked_text(
        &self,
        encoder: MlmBatch,
        masked: Vec<Masked>,
        drawn: Vec<Drawn>,
    ) -> RetroMaeBatch {
        let (tokens, mask) = (encoder.tokens, self.encoder.mask_id());
        let mut ids = encoder.original_ids.clone();
        let mut batch = RetroMaeBatch { encoder, ..RetroMaeBatch::default() };
        for (row, (mut groups, mut random)) in drawn.into_iter().enumerate() {
            let original = &masked[row].original;
            let mut chosen = Vec::new();
            let hidden = budget(original.len(), self.decoder_rate);
            sample_words(&mut groups, hidden, &mut random, |word| chosen.extend(word.clone()));
            chosen.sort_unstable();
            for at in chosen {
                ids[row * tokens + at] = mask;
                batch.decoder_label_positions.push((row * tokens + at) as u32);
                batch.decoder_labels.push(original[at]);
            }
        }
        batch.decoder_masked_ids = Some(ids);
        batch
    }
}

/// The words of an example, and its stream of random numbers after the encoder's masks.
type Drawn = (Vec<Range<usize>>, Random);
