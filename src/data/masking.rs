//! Which tokens a model must guess: whole words, chosen at random (BERT), and which tokens each row of RetroMAE's
//! decoder may see.

use std::ops::Range;

use super::random::Random;

/// Most positions one mask takes, whatever the rate (BERT's `max_predictions`; inert up to 512 tokens).
const MAX_PREDICTIONS: f64 = 512.0;

/// Whole words of a sequence with its special tokens: ranges of positions.
///
/// A piece `##…` belongs to the word before it; `[CLS]` and `[SEP]` are no words. A first piece that continues a word
/// cut off before the sequence starts a word of its own.
pub fn word_groups(
    ids: &[u32],
    cls: u32,
    sep: u32,
    is_continuation: impl Fn(u32) -> bool,
) -> Vec<Range<usize>> {
    let mut groups: Vec<Range<usize>> = Vec::new();
    for (position, &id) in ids.iter().enumerate() {
        if id == cls || id == sep {
            continue;
        }
        match groups.last_mut() {
            Some(word) if is_continuation(id) && word.end == position => word.end += 1,
            _ => groups.push(position..position + 1),
        }
    }
    groups
}

/// Number of positions to mask: `K = min(512, max(1, round(length · rate)))`, halves rounded to even as Python does.
pub fn budget(length: usize, rate: f64) -> usize {
    (length as f64 * rate).round_ties_even().clamp(1.0, MAX_PREDICTIONS) as usize
}

/// Chooses whole words until `budget` positions are taken, and calls `take` with each: the words in random order,
/// a word that would exceed the budget passed over.
///
/// `groups` is left in another order. The shuffle is done only as far as it is looked at, which gives the same
/// distribution as shuffling first.
pub fn sample_words(
    groups: &mut [Range<usize>],
    budget: usize,
    random: &mut Random,
    mut take: impl FnMut(&Range<usize>),
) {
    let mut taken = 0;
    for next in 0..groups.len() {
        if taken >= budget {
            return;
        }
        let word = random.draw(groups, next);
        if taken + word.len() <= budget {
            taken += word.len();
            take(word);
        }
    }
}

/// What stands in the place of a masked token.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Corruption {
    /// Share that becomes `[MASK]`.
    pub mask: f32,
    /// Share that becomes a random token of the vocabulary; the rest stays as it is.
    pub random: f32,
}

impl Corruption {
    /// 80 % `[MASK]`, 10 % random, 10 % kept (Devlin et al. 2019, arXiv:1810.04805, §3.1).
    pub const BERT: Self = Self { mask: 0.8, random: 0.1 };
    /// 85 % `[MASK]`, 15 % kept: the input of ELECTRA's generator (google-research/electra, commit
    /// `8a46635`, `pretrain/pretrain_helpers.py`, `mask`).
    pub const ELECTRA: Self = Self { mask: 0.85, random: 0.0 };

    /// Replaces the tokens at `positions`, each decided on its own, and returns what stood there: the labels.
    pub fn apply(
        self,
        ids: &mut [u32],
        positions: &[usize],
        mask: u32,
        vocab_size: usize,
        random: &mut Random,
    ) -> Vec<u32> {
        positions
            .iter()
            .map(|&position| {
                let label = ids[position];
                let draw = random.unit();
                if draw < self.mask {
                    ids[position] = mask;
                } else if draw < self.mask + self.random {
                    ids[position] = random.below(vocab_size as u32);
                }
                label
            })
            .collect()
    }
}

/// Bits in rows of whole `u32` words: bit `j` of row `i` is bit `j % 32` of word `j / 32`.
pub fn words_per_row(tokens: usize) -> usize {
    tokens.div_ceil(32)
}

/// How many masks the rows of RetroMAE's decoder share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaskPool {
    /// A sequence draws this many masks, no more than it has rows, and each row takes one of them, with replacement.
    Shared(usize),
    /// Each row draws its own, as the paper.
    PerRow,
}

impl MaskPool {
    /// 256 masks (staoxiao/RetroMAE at ee37587); FlagEmbedding (at 7ed43d6) draws 128.
    pub const RETROMAE: Self = Self::Shared(256);
}

/// Draws which columns each decoder row may see, as bits `[T, ceil(T/32)]` into `visible`, of which the first
/// `length` rows and columns are used and the rest is 0.
///
/// Masks of whole words are drawn as `pool` says; row i takes one of them and also hides column i. So `[CLS]` is seen by
/// every row but its own, and each row hides K or K + 1 columns.
///
/// # Source
/// Xiao et al. 2022, arXiv:2205.12035, eq. 7; the pool: staoxiao/RetroMAE, commit `ee37587`,
/// `src/pretrain/data.py`, `RetroMAECollator`.
pub fn draw_visibility(
    groups: &mut [Range<usize>],
    length: usize,
    budget: usize,
    pool: MaskPool,
    random: &mut Random,
    visible: &mut [u32],
    row_words: usize,
) {
    let n_masks = match pool {
        MaskPool::Shared(masks) => length.min(masks),
        MaskPool::PerRow => length,
    };
    // Columns 0..length, seen by all until a mask hides them.
    let mut masks = vec![0u32; n_masks * row_words];
    for mask in masks.chunks_exact_mut(row_words) {
        for column in 0..length {
            mask[column / 32] |= 1 << (column % 32);
        }
        sample_words(groups, budget, random, |word| {
            for column in word.clone() {
                mask[column / 32] &= !(1 << (column % 32));
            }
        });
    }
    for (row, bits) in visible.chunks_exact_mut(row_words).take(length).enumerate() {
        let drawn = match pool {
            MaskPool::Shared(_) => random.below(n_masks as u32) as usize,
            MaskPool::PerRow => row,
        };
        bits.copy_from_slice(&masks[drawn * row_words..(drawn + 1) * row_words]);
        bits[row / 32] &= !(1 << (row % 32));
    }
}
