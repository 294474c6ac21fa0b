//! Batches whose tokens are drawn evenly from the vocabulary, as every objective takes them.

use wgrad_engine::random::{key_of, philox};

use crate::data::{MlmBatch, RetroMaeBatch, TokenBatch, XlNetBatch};

/// What a batch is made of.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// B.
    pub rows: usize,
    /// T.
    pub tokens: usize,
    /// V.
    pub vocabulary: usize,
    pub seed: u64,
}

impl Sizes {
    fn draw(&self, at: usize, purpose: &str) -> u32 {
        philox([at as u32, 0, 0, 0], key_of(self.seed, purpose))[0]
    }

    fn ids(&self) -> Vec<u32> {
        let id = |at: usize| self.draw(at, "bench") % self.vocabulary as u32;
        (0..self.rows * self.tokens).map(id).collect()
    }

    /// A word of bits for every 32 columns of every token.
    fn visibility(&self) -> Vec<u32> {
        let words = self.rows * self.tokens * self.tokens.div_ceil(32);
        (0..words).map(|at| self.draw(at, "bench visibility")).collect()
    }

    /// Text as it is.
    pub fn plain(&self) -> TokenBatch {
        let Self { rows, tokens, .. } = *self;
        TokenBatch { rows, tokens, input_ids: self.ids(), lengths: vec![tokens as u32; rows] }
    }

    /// Every 20/3-th token is labelled.
    pub fn masked(&self) -> MlmBatch {
        let TokenBatch { rows, tokens, input_ids: original_ids, lengths } = self.plain();
        let is_label = |at: &u32| (at + 1) * 3 / 20 > at * 3 / 20;
        let label_positions: Vec<u32> = (0..(rows * tokens) as u32).filter(is_label).collect();
        let labels = label_positions.iter().map(|&at| original_ids[at as usize]).collect();
        let mut input_ids = original_ids.clone();
        for &at in &label_positions {
            input_ids[at as usize] = 0;
        }
        MlmBatch { rows, tokens, input_ids, original_ids, lengths, label_positions, labels }
    }

    /// The decoder's side: each row sees half of the columns, and all tokens but the first and last are rebuilt.
    pub fn retromae(&self) -> RetroMaeBatch {
        let encoder = self.masked();
        let tokens = self.tokens as u32;
        let inside = |at: &u32| (1..tokens - 1).contains(&(at % tokens));
        let decoder_label_positions: Vec<u32> =
            (0..self.rows as u32 * tokens).filter(inside).collect();
        let word = |&at: &u32| encoder.original_ids[at as usize];
        RetroMaeBatch {
            decoder_labels: decoder_label_positions.iter().map(word).collect(),
            decoder_visible: self.visibility(),
            decoder_masked_ids: None,
            decoder_label_positions,
            encoder,
        }
    }

    /// Every sixth token is predicted, from half of the row.
    pub fn permuted(&self) -> XlNetBatch {
        let TokenBatch { rows, tokens, input_ids, lengths } = self.plain();
        let of_row: Vec<usize> = (5..tokens).step_by(6).collect();
        let label = |row: usize| of_row.iter().map(move |at| row * tokens + at);
        XlNetBatch {
            labels: (0..rows).flat_map(label).map(|at| input_ids[at]).collect(),
            places: of_row.iter().map(|&at| Some(at as u32)).collect::<Vec<_>>().repeat(rows),
            predictions: of_row.len(),
            segments: vec![0; rows * tokens],
            visible: self.visibility(),
            walk: None,
            begins: true,
            rows,
            tokens,
            input_ids,
            lengths,
        }
    }
}
