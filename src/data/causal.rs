//! Batches for causal language modelling: text as it is, each token to be guessed from those before it.

use super::blocks::TokenBlocks;
use super::collate::{Padding, TokenBatch};
use super::error::Result;
use super::tokenizer::{SpecialIds, Tokenizer};

/// Makes the batches; nothing in them is drawn.
#[derive(Clone, Debug)]
pub struct CausalCollator {
    /// Longest row, special tokens included; longer blocks lose their end.
    pub max_length: usize,
    /// Rows of the model's embedding table.
    pub model_vocab_size: usize,
    /// How rows are padded.
    pub padding: Padding,
    special: SpecialIds,
}

impl CausalCollator {
    /// Rows padded to a multiple of 8.
    pub fn new(tokenizer: &Tokenizer, model_vocab_size: usize, max_length: usize) -> Self {
        let special = tokenizer.special();
        Self { max_length, model_vocab_size, padding: Padding::default(), special }
    }

    /// Makes the batch of these blocks: `[CLS] text [SEP]`, or `<|endoftext|> text <|endoftext|>`.
    ///
    /// # Errors
    /// [`super::Error::IdOutOfRange`] if the tokenizer is not the model's.
    ///
    /// # Panics
    /// If an example is not below `blocks.len()`.
    pub fn batch(&self, blocks: &TokenBlocks, examples: &[u32]) -> Result<TokenBatch> {
        let row = |&example: &u32| {
            let text = blocks.get(example as usize);
            let text = &text[..text.len().min(self.max_length - 2)];
            [&[self.special.cls], text, &[self.special.sep]].concat()
        };
        let rows: Vec<Vec<u32>> = examples.iter().map(row).collect();
        let name = |row: usize| format!("block {} of the training data", examples[row]);
        let Self { padding, max_length, model_vocab_size, .. } = *self;
        TokenBatch::pad(&rows, self.special.pad, padding, max_length, model_vocab_size, name)
    }
}
