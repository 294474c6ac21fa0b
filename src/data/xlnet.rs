//! Batches of XLNet: text as it is, spans of it to predict, and an order in which they are predicted.

use std::sync::Arc;

use super::blocks::TokenBlocks;
use super::collate::{Padding, TokenBatch};
use super::error::{Error, Result};
use super::masking::words_per_row;
use super::random::{Purpose, Random};
use super::tokenizer::{SpecialIds, Tokenizer};

/// A batch for XLNet; every row is the text, `[SEP]` and `[CLS]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct XlNetBatch {
    /// B.
    pub rows: usize,
    /// T.
    pub tokens: usize,
    /// `[B, T]`, as they are: the content stream must see what later targets are predicted from.
    pub input_ids: Vec<u32>,
    /// `[B, T]`: 2 for `[CLS]`, 0 for all else.
    pub segments: Vec<u32>,
    /// `[B]`.
    pub lengths: Vec<u32>,
    /// `[B, T, ⌈T/32⌉]`: bit j of row i says that token i is predicted from token j.
    pub visible: Vec<u32>,
    /// P: predicted tokens of the row with most of them.
    pub predictions: usize,
    /// `[B, P]`: where they stand, increasing; rows are filled up with none.
    pub places: Vec<Option<u32>>,
    /// What stands at each place that is one, row by row.
    pub labels: Vec<u32>,
    /// What its rows walk along; none are texts of their own.
    pub walk: Option<Walk>,
    /// Whether its rows are the first of their walk, and remember nothing.
    pub begins: bool,
}

/// What rows walk along, with a memory of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Walk {
    /// The text that is learnt from.
    Training,
    /// The text that is not.
    HeldOut,
}

/// Longest span (§2.6 of the paper has 1 to 5 tokens).
const LONGEST_SPAN: usize = 5;

/// Makes XLNet batches; every choice is a function of (seed, epoch, example).
#[derive(Clone, Debug)]
pub struct XlNetCollator {
    /// K: one token of so many is predicted (§2.4).
    pub partial: usize,
    /// Seed of spans and orders.
    pub seed: u64,
    /// Longest row, special tokens included; longer blocks lose their end.
    pub max_length: usize,
    /// Rows of the model's embedding table.
    pub model_vocab_size: usize,
    /// How rows are padded.
    pub padding: Padding,
    special: SpecialIds,
    continuation: Arc<[bool]>,
}

impl XlNetCollator {
    /// The paper's recipe: K = 6.
    pub fn new(
        tokenizer: &Tokenizer,
        model_vocab_size: usize,
        max_length: usize,
        seed: u64,
    ) -> Self {
        let continuation =
            (0..tokenizer.vocab_size()).map(|id| tokenizer.is_continuation(id as u32)).collect();
        Self {
            partial: 6,
            seed,
            max_length,
            model_vocab_size,
            padding: Padding::default(),
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
    pub fn batch(&self, blocks: &TokenBlocks, epoch: u64, examples: &[u32]) -> Result<XlNetBatch> {
        let rows = examples
            .iter()
            .map(|&example| self.draw(blocks, epoch, example))
            .collect::<Result<Vec<_>>>()?;
        let ids: Vec<&[u32]> = rows.iter().map(|row| &row.ids[..]).collect();
        let name = |row: usize| block_name(examples[row]);
        let Self { padding, max_length, model_vocab_size, .. } = *self;
        let padded =
            TokenBatch::pad(&ids, self.special.pad, padding, max_length, model_vocab_size, name)?;
        let TokenBatch { rows: n_rows, tokens, input_ids, lengths } = padded;

        let row_words = words_per_row(tokens);
        let mut visible = vec![0; n_rows * tokens * row_words];
        let mut segments = vec![0; n_rows * tokens];
        let predictions = rows.iter().map(|row| row.targets.len()).max().unwrap_or(0).max(1);
        let (mut places, mut labels) = (Vec::new(), Vec::new());
        for (at, row) in rows.iter().enumerate() {
            let bits = &mut visible[at * tokens * row_words..][..tokens * row_words];
            see_by_order(&row.order, bits, row_words, 0);
            segments[at * tokens + row.ids.len() - 1] = 2;
            places.extend(row.targets.iter().map(|&place| Some(place as u32)));
            places.resize((at + 1) * predictions, None);
            labels.extend(row.targets.iter().map(|&place| row.ids[place]));
        }
        Ok(XlNetBatch {
            rows: n_rows,
            tokens,
            input_ids,
            segments,
            lengths,
            visible,
            predictions,
            places,
            labels,
            walk: None,
            begins: true,
        })
    }

    fn draw(&self, blocks: &TokenBlocks, epoch: u64, example: u32) -> Result<Drawn> {
        let mut random = Random::new(self.seed, Purpose::Masking, epoch, example.into());
        let text = blocks.get(example as usize);
        let text = &text[..text.len().min(self.max_length - 2)];
        let ids = [text, &[self.special.sep, self.special.cls]].concat();
        let vocab_size = self.model_vocab_size.min(self.continuation.len());
        if let Some(&id) = ids.iter().find(|&&id| id as usize >= vocab_size) {
            return Err(Error::IdOutOfRange { id, vocab_size, example: block_name(example) });
        }
        let begins_word = |at: usize| !self.continuation[text[at] as usize];
        let may_be_predicted = |at: usize| !self.special.all().contains(&text[at]);
        let budget = ((text.len() / self.partial).max(1), self.partial);
        let targets = draw_spans(text.len(), budget, begins_word, may_be_predicted, &mut random);
        let mut ranks: Vec<u32> = (0..ids.len() as u32).collect();
        random.shuffle(&mut ranks);
        let order = places_in_order(&ranks, &targets, |at| at >= text.len());
        Ok(Drawn { ids, targets, order })
    }
}

/// One example before padding.
struct Drawn {
    ids: Vec<u32>,
    targets: Vec<usize>,
    order: Vec<Place>,
}

/// When a token is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// From the beginning: it is text that is not predicted.
    Given,
    /// It is predicted when all tokens of lower rank are known, and known after that.
    Predicted(u32),
    /// `[SEP]` and `[CLS]`: not predicted, and seen only by what comes after it, and by itself.
    Functional(u32),
}

/// Chooses `goal` tokens of a text, in spans of 1 to 5 that begin a word, each somewhere in a context `partial` times as
/// long; single tokens at random fill up what is missing. Increasing.
///
/// # Source
/// Yang et al. 2019, §2.6; `_sample_mask` of zihangdai/xlnet at bbaa3a6, whose spans have lengths n with probability
/// proportional to 1/n.
pub fn draw_spans(
    length: usize,
    (goal, partial): (usize, usize),
    begins_word: impl Fn(usize) -> bool,
    may_be_predicted: impl Fn(usize) -> bool,
    random: &mut Random,
) -> Vec<usize> {
    let mut is_target = vec![false; length];
    let (mut taken, mut at) = (0, 0);
    while at < length && taken < goal {
        let span = draw_span_length(random).min(goal - taken);
        let before = random.below((span * partial) as u32) as usize;
        let Some(start) = (at + before..length).find(|&start| begins_word(start)) else { break };
        let end = start + span;
        if end > length {
            break;
        }
        for place in (start..end).filter(|&place| may_be_predicted(place)) {
            is_target[place] = true;
            taken += 1;
        }
        at = end + span * partial - before;
    }
    let mut others: Vec<usize> =
        (0..length).filter(|&place| !is_target[place] && may_be_predicted(place)).collect();
    for next in 0..others.len().min(goal - taken) {
        is_target[*random.draw(&mut others, next)] = true;
    }
    (0..length).filter(|&place| is_target[place]).collect()
}

/// n of 1 to 5 with probability (1/n)/(1 + 1/2 + … + 1/5): n of 60, 30, 20, 15 and 12 of 137.
fn draw_span_length(random: &mut Random) -> usize {
    let mut left = random.below(137);
    for span in 1..LONGEST_SPAN {
        let share = 60 / span as u32;
        if left < share {
            return span;
        }
        left -= share;
    }
    LONGEST_SPAN
}

/// When each token of a row is known: `ranks` is a permutation of its tokens.
pub fn places_in_order(
    ranks: &[u32],
    targets: &[usize],
    is_functional: impl Fn(usize) -> bool,
) -> Vec<Place> {
    let place = |(at, &rank): (usize, &u32)| match at {
        _ if is_functional(at) => Place::Functional(rank),
        _ if targets.binary_search(&at).is_ok() => Place::Predicted(rank),
        _ => Place::Given,
    };
    ranks.iter().enumerate().map(place).collect()
}

/// Sets bit `first` + j of row i of `visible` `[T, ⌈T/32⌉]` where token i is predicted from token j; tokens past the order
/// see nothing and are not seen.
///
/// # Source
/// Yang et al. 2019, §2.2; `_local_perm` of zihangdai/xlnet at bbaa3a6: j is hidden from i if it is not given and
/// r_i ≤ rank_j, where r_i is the rank of a predicted token, one more of a functional one, and 0 of one that is given.
pub fn see_by_order(order: &[Place], visible: &mut [u32], row_words: usize, first: usize) {
    for (own, bits) in order.iter().zip(visible.chunks_exact_mut(row_words)) {
        let known = match *own {
            Place::Given => 0,
            Place::Predicted(rank) => rank,
            Place::Functional(rank) => rank + 1,
        };
        for (column, other) in order.iter().enumerate() {
            let sees = match *other {
                Place::Given => true,
                Place::Predicted(rank) | Place::Functional(rank) => rank < known,
            };
            let column = first + column;
            bits[column / 32] |= u32::from(sees) << (column % 32);
        }
    }
}

fn block_name(example: u32) -> String {
    format!("block {example} of the training data")
}
