//! A batch of token ids on a device, and which of them attention may see.

use wgrad_engine::ops::{Ids, Visibility};
use wgrad_engine::{Device, Tensor};

use crate::bert::Config;

/// What is wrong with the ids of a batch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    /// An id that the embedding table has no row for.
    #[error(
        "{what} {id} at row {row}, token {token}: expected ids below {limit} ({key} in config.json); \
         does the tokenizer belong to this model?"
    )]
    IdOutOfRange {
        /// token id or token type.
        what: &'static str,
        /// The offending id.
        id: u32,
        /// Row of the batch.
        row: usize,
        /// Position in the row.
        token: usize,
        /// Rows of the table.
        limit: usize,
        /// Where the limit stands.
        key: &'static str,
    },
    /// More tokens than there are positions.
    #[error(
        "rows of {tokens} tokens: expected at most {limit} (max_position_embeddings); lower --max-length"
    )]
    TooLong {
        /// Tokens of a row.
        tokens: usize,
        /// Positions of the model.
        limit: usize,
    },
}

/// Which keys a row may see.
#[derive(Clone, Copy, Debug)]
pub enum Visible<'a> {
    /// The first `lengths[b]` tokens of each row; the rest is padding. u32 `[B]`.
    Lengths(&'a [u32]),
    /// The tokens where the mask is not 0; `[B, T]`.
    Mask(&'a [u8]),
}

/// Ids, token types and positions of B rows of T tokens, with what attention may see.
pub struct Tokens {
    /// B.
    pub rows: usize,
    /// T.
    pub tokens: usize,
    /// `[B·T]` rows of the word table.
    pub ids: Ids,
    /// `[B·T]` rows of the token type table.
    pub types: Ids,
    /// u32 `[B, T]`: the token types again, for models that ask only whether two are equal; `None` where all are.
    pub segments: Option<Tensor>,
    /// `[B·T]` rows of the position table, 0 to T − 1 in every row.
    pub positions: Ids,
    /// Keys that are no padding.
    pub visibility: Visibility,
    /// `[B]`: tokens of each row that are no padding.
    pub lengths: Tensor,
    /// `[B]`: where in `[B·T]` each row has its first token that is no padding; its first if all is padding.
    pub firsts: Vec<u32>,
    /// `[B·T]`: where the tokens of each row are, those first that are no padding; `None` where they stand so already.
    pub in_front: Option<Ids>,
    /// `[B]`: where in `[B·T]` each row has its last token that is no padding; its first if all is padding.
    pub ends: Vec<u32>,
}

impl Tokens {
    /// Uploads `ids` `[B, T]`, with token types 0 unless given.
    ///
    /// # Errors
    /// [`InputError`] for an id or a length that the model has no row for.
    ///
    /// # Panics
    /// If a slice has another length than its shape.
    #[track_caller]
    pub fn new(
        device: &Device,
        config: &Config,
        [rows, tokens]: [usize; 2],
        ids: &[u32],
        types: Option<&[u32]>,
        visible: Visible<'_>,
    ) -> Result<Self, InputError> {
        assert_eq!(ids.len(), rows * tokens, "tokens: ids of [{rows}, {tokens}]");
        if tokens > config.max_position_embeddings {
            return Err(InputError::TooLong { tokens, limit: config.max_position_embeddings });
        }
        let zeros = vec![0; rows * tokens];
        let types = types.unwrap_or(&zeros);
        let within = |what, ids: &[u32], limit: usize, key| {
            let offender = ids.iter().position(|&id| id as usize >= limit);
            offender.map_or(Ok(()), |at| {
                let (row, token) = (at / tokens, at % tokens);
                Err(InputError::IdOutOfRange { what, id: ids[at], row, token, limit, key })
            })
        };
        within("token id", ids, config.vocab_size, "vocab_size")?;
        within("token type", types, config.type_vocab_size, "type_vocab_size")?;
        let segments = types.iter().any(|&kind| kind != types[0]);
        let positions: Vec<u32> = (0..rows).flat_map(|_| 0..tokens as u32).collect();
        let [firsts, ends] = ends([rows, tokens], visible);
        let (visibility, lengths) = visibility(device, [rows, tokens], visible);
        let table = |ids: &[u32], limit| {
            Ids::new(device, ids, limit).expect("every id was checked against its table above")
        };
        Ok(Self {
            rows,
            tokens,
            ids: table(ids, config.vocab_size),
            types: table(types, config.type_vocab_size),
            segments: segments.then(|| Tensor::u32(device, [rows, tokens], types)),
            positions: table(&positions, config.max_position_embeddings),
            visibility,
            lengths: Tensor::u32(device, [rows], &lengths),
            firsts,
            in_front: in_front([rows, tokens], visible).map(|at| table(&at, rows * tokens)),
            ends,
        })
    }
}

impl Tokens {
    /// Other words in the same places: `ids` `[B·T]`.
    ///
    /// # Panics
    /// If there are more or fewer ids than places.
    #[must_use]
    #[track_caller]
    pub fn with_ids(&self, ids: Ids) -> Self {
        assert_eq!(ids.len(), self.ids.len(), "tokens: ids of [{}, {}]", self.rows, self.tokens);
        Self {
            ids,
            types: self.types.clone(),
            segments: self.segments.clone(),
            positions: self.positions.clone(),
            visibility: self.visibility.clone(),
            lengths: self.lengths.clone(),
            firsts: self.firsts.clone(),
            in_front: self.in_front.clone(),
            ends: self.ends.clone(),
            ..*self
        }
    }
}

/// Where each row has its first visible token, and its last.
fn ends([rows, tokens]: [usize; 2], visible: Visible<'_>) -> [Vec<u32>; 2] {
    let of_row = |row: usize| match visible {
        Visible::Lengths(lengths) => (0, (lengths[row] as usize).saturating_sub(1)),
        Visible::Mask(mask) => {
            let mut seen = mask[row * tokens..][..tokens].iter();
            let first = seen.clone().position(|&bit| bit != 0).unwrap_or(0);
            (first, seen.rposition(|&bit| bit != 0).unwrap_or(0))
        }
    };
    let (firsts, ends): (Vec<usize>, Vec<usize>) = (0..rows).map(of_row).unzip();
    let flat = |at: Vec<usize>| (0..rows).map(|row| (row * tokens + at[row]) as u32).collect();
    [flat(firsts), flat(ends)]
}

/// The tokens of each row, visible ones first and in their order; `None` where no padding stands before them.
fn in_front([rows, tokens]: [usize; 2], visible: Visible<'_>) -> Option<Vec<u32>> {
    let Visible::Mask(mask) = visible else { return None };
    let mut all: Vec<u32> = (0..(rows * tokens) as u32).collect();
    for row in all.chunks_exact_mut(tokens) {
        row.sort_by_key(|&at| mask[at as usize] == 0); // stable
    }
    (!all.is_sorted()).then_some(all)
}

/// Lengths where the visible tokens stand first, bits otherwise; and the count of visible tokens.
fn visibility(
    device: &Device,
    [rows, tokens]: [usize; 2],
    visible: Visible<'_>,
) -> (Visibility, Vec<u32>) {
    let mask = match visible {
        Visible::Lengths(lengths) => {
            return (Visibility::all().and_lengths(device, lengths), lengths.to_vec());
        }
        Visible::Mask(mask) => mask,
    };
    let count = |row: &[u8]| row.iter().filter(|&&bit| bit != 0).count() as u32;
    let lengths: Vec<u32> = mask.chunks_exact(tokens).map(count).collect();
    let first = |(row, &length): (&[u8], &u32)| row[..length as usize].iter().all(|&bit| bit != 0);
    if mask.chunks_exact(tokens).zip(&lengths).all(first) {
        return (Visibility::all().and_lengths(device, &lengths), lengths);
    }
    let words = tokens.div_ceil(32);
    let mut bits = vec![0_u32; rows * tokens * words];
    for (at, word_row) in bits.chunks_exact_mut(words).enumerate() {
        let row = &mask[at / tokens * tokens..][..tokens];
        for (column, _) in row.iter().enumerate().filter(|(_, bit)| **bit != 0) {
            word_row[column / 32] |= 1 << (column % 32);
        }
    }
    (Visibility::all().and_bits(device, [rows, tokens, tokens], &bits), lengths)
}
