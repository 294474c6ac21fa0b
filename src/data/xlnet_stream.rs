//! Text as XLNet with memory reads it: every row of a batch goes on where the same row of the batch before it stopped.
//!
//! The text is cut into as many parts as there are rows; row b walks along part b, R tokens a step. A row of T tokens is
//!
//! ```text
//! R tokens, which the next row remembers | A [SEP] B [SEP] [CLS]       segments 0 | 0 … 0 1 … 1 2
//! ```
//!
//! where A goes on after the R tokens, and B goes on after A or stands elsewhere. Source: `create_tfrecords` and
//! `get_dataset` of zihangdai/xlnet, `data_utils.py` at bbaa3a6.

use std::ops::Range;
use std::sync::Arc;

use super::blocks::TokenBlocks;
use super::error::{Error, Result};
use super::masking::words_per_row;
use super::random::{Purpose, Random};
use super::tokenizer::{SpecialIds, Tokenizer};
use super::xlnet::{Place, Walk, XlNetBatch, draw_spans, see_by_order};

/// What the rows of a walk have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Strides {
    /// B.
    pub rows: usize,
    /// Of them, those that walk backwards: half, along the parts of the others.
    pub backward: usize,
    /// T.
    pub tokens: usize,
    /// R, by which a row moves on: less than T − 3.
    pub reuse: usize,
    /// Tokens of a block that one permutation orders; R and T − R are multiples of it.
    pub perm_size: usize,
    /// K: one token of so many is predicted.
    pub partial: usize,
}

/// Rows that walk along a text; every choice is a function of (seed, step, row).
#[derive(Clone, Debug)]
pub struct XlNetStream {
    strides: Strides,
    text: Text,
    /// Tokens of a part.
    part: usize,
    walk: Walk,
    seed: u64,
    special: SpecialIds,
    continuation: Arc<[bool]>,
}

/// The epoch under which held-out masks are drawn: none that training reaches.
const HELDOUT_EPOCH: u64 = u64::MAX;

impl XlNetStream {
    /// Walks along `blocks`, one after the other; `None` if they are too short to give every row one step.
    pub fn new(
        tokenizer: &Tokenizer,
        (all, blocks): (Arc<TokenBlocks>, Range<usize>),
        strides: Strides,
        walk: Walk,
        seed: u64,
    ) -> Option<Self> {
        let text = Text::new(tokenizer, all, blocks);
        let parts = strides.rows - strides.backward;
        let part = text.len() / parts.max(1);
        if parts == 0 || part < strides.tokens {
            return None;
        }
        let continuation =
            (0..tokenizer.vocab_size()).map(|id| tokenizer.is_continuation(id as u32)).collect();
        Some(Self { strides, text, part, walk, seed, special: tokenizer.special(), continuation })
    }

    /// Steps from the beginning of the parts to their end, where rows begin again.
    pub fn steps_per_epoch(&self) -> u64 {
        ((self.part - self.strides.tokens) / self.strides.reuse + 1) as u64
    }

    /// Makes the batch of `step`, counted from 0 over all epochs.
    ///
    /// # Errors
    /// [`Error::IdOutOfRange`] if an id is not one of the tokenizer's, or not below `model_vocab_size`.
    pub fn batch(&self, step: u64, model_vocab_size: usize) -> Result<XlNetBatch> {
        let Strides { rows, tokens, reuse, .. } = self.strides;
        let (epoch, at) = (step / self.steps_per_epoch(), step % self.steps_per_epoch());
        let epoch = if self.walk == Walk::HeldOut { HELDOUT_EPOCH } else { epoch };
        let drawn: Vec<Row> = (0..rows).map(|row| self.draw(epoch, at, row)).collect();
        let vocab_size = model_vocab_size.min(self.continuation.len());
        let ids = drawn.iter().flat_map(|row| &row.ids);
        if let Some(&id) = ids.clone().find(|&&id| id as usize >= vocab_size) {
            let example = "the training data".to_string();
            return Err(Error::IdOutOfRange { id, vocab_size, example });
        }

        let words = words_per_row(tokens);
        let mut visible = vec![0; rows * tokens * words];
        for (row, bits) in drawn.iter().zip(visible.chunks_exact_mut(tokens * words)) {
            see_in_halves([&row.order[..reuse], &row.order[reuse..]], bits, words);
        }
        let of_row = |row: &Row| row.targets().count();
        let predictions = drawn.iter().map(of_row).max().unwrap_or(0).max(1);
        let (mut places, mut labels) = (Vec::new(), Vec::new());
        for (count, row) in drawn.iter().enumerate() {
            places.extend(row.targets().map(|place| Some(place as u32)));
            places.resize((count + 1) * predictions, None);
            labels.extend(row.targets().map(|place| row.ids[place]));
        }
        Ok(XlNetBatch {
            rows,
            tokens,
            input_ids: ids.copied().collect(),
            segments: drawn.iter().flat_map(|row| row.segments.iter().copied()).collect(),
            lengths: vec![tokens as u32; rows],
            visible,
            predictions,
            places,
            labels,
            walk: Some(self.walk),
            begins: at == 0,
        })
    }

    /// Row `row` of step `at` of an epoch.
    fn draw(&self, epoch: u64, at: u64, row: usize) -> Row {
        let Strides { rows, backward, tokens, reuse, perm_size, partial } = self.strides;
        let index = at * rows as u64 + row as u64;
        let forward = rows - backward;
        let part = Part {
            text: &self.text,
            start: row % forward * self.part,
            length: self.part,
            is_reversed: row >= forward,
        };
        let here = at as usize * reuse;
        let (read, _) = part.read(here..here + reuse);
        let mut random = Random::new(self.seed, Purpose::Spans, epoch, index);
        let [a, b] = part.two_segments(here + reuse, tokens - reuse - 3, &mut random);
        let (sep, cls) = (self.special.sep, self.special.cls);
        let ids = [&read[..], &a, &[sep], &b, &[sep, cls]].concat();
        let first = reuse + a.len() + 1;
        let segments = (0..tokens).map(|at| u32::from(at >= first) + u32::from(at + 1 == tokens));

        let mut random = Random::new(self.seed, Purpose::Masking, epoch, index);
        let goal = tokens / partial;
        let mut order = Vec::with_capacity(tokens);
        for (half, goal) in [(0..reuse, goal - goal / 2), (reuse..tokens, goal / 2)] {
            let (start, length) = (half.start, half.len());
            // Spans begin words and go on as they are written, whichever way the row runs.
            let place = |at: usize| start + if part.is_reversed { length - 1 - at } else { at };
            let begins_word = |at: usize| !self.continuation[ids[place(at)] as usize];
            let may_be_predicted = |at: usize| !self.special.all().contains(&ids[place(at)]);
            let spans =
                draw_spans(length, (goal, partial), begins_word, may_be_predicted, &mut random);
            let mut is_target = vec![false; length];
            spans.into_iter().for_each(|at| is_target[place(at) - start] = true);
            let ranks = block_ranks(length, perm_size, &mut random);
            order.extend(ranks.into_iter().zip(half).map(|(rank, at)| match ids[at] {
                id if id == sep || id == cls => Place::Functional(rank),
                _ if is_target[at - start] => Place::Predicted(rank),
                _ => Place::Given,
            }));
        }
        Row { segments: segments.collect(), ids, order }
    }
}

/// One row.
struct Row {
    ids: Vec<u32>,
    segments: Vec<u32>,
    order: Vec<Place>,
}

impl Row {
    /// Where the predicted tokens stand.
    fn targets(&self) -> impl Iterator<Item = usize> {
        let is_target =
            |(at, place): (usize, &Place)| matches!(place, Place::Predicted(_)).then_some(at);
        self.order.iter().enumerate().filter_map(is_target)
    }
}

/// Ranks of `length` tokens: one permutation of `perm_size` orders every block of as many, the blocks keep theirs.
pub fn block_ranks(length: usize, perm_size: usize, random: &mut Random) -> Vec<u32> {
    let mut permutation: Vec<u32> = (0..perm_size as u32).collect();
    random.shuffle(&mut permutation);
    (0..length)
        .map(|at| (at / perm_size * perm_size) as u32 + permutation[at % perm_size])
        .collect()
}

/// Sets bit j of row i of `visible` `[T, ⌈T/32⌉]` where token i is predicted from token j, if each half has an order of
/// its own: the first sees nothing of the second, the second all of the first.
pub fn see_in_halves(halves: [&[Place]; 2], visible: &mut [u32], row_words: usize) {
    let [first, second] = halves;
    let (above, below) = visible.split_at_mut(first.len() * row_words);
    see_by_order(first, above, row_words, 0);
    see_by_order(second, below, row_words, first.len());
    for row in below.chunks_exact_mut(row_words) {
        (0..first.len()).for_each(|column| row[column / 32] |= 1 << (column % 32));
    }
}

/// Blocks one after the other, token by token.
#[derive(Clone, Debug)]
struct Text {
    all: Arc<TokenBlocks>,
    /// Of the first block.
    first: usize,
    /// Where each block begins, in tokens, and the end.
    starts: Arc<[usize]>,
    /// Whether a block is the first of its document.
    opens: Arc<[bool]>,
    /// Tokens after which a sentence is over.
    closing: Arc<[u32]>,
}

impl Text {
    fn new(tokenizer: &Tokenizer, all: Arc<TokenBlocks>, blocks: Range<usize>) -> Self {
        let mut starts = vec![0];
        for block in blocks.clone() {
            starts.push(starts[starts.len() - 1] + all.block_length(block));
        }
        let mut opens = vec![false; blocks.len()];
        for document in 0..all.n_documents() {
            let block = all.document(document).start;
            if blocks.contains(&block) {
                opens[block - blocks.start] = true;
            }
        }
        let ids = 0..tokenizer.vocab_size() as u32;
        let closing = ids.filter(|&id| [".", "!", "?"].contains(&tokenizer.token(id))).collect();
        Self { all, first: blocks.start, starts: starts.into(), opens: opens.into(), closing }
    }

    fn len(&self) -> usize {
        self.starts[self.starts.len() - 1]
    }

    /// The ids of `range`, and of each whether a sentence begins with it.
    fn read(&self, range: Range<usize>) -> (Vec<u32>, Vec<bool>) {
        let (mut ids, mut begins) = (Vec::new(), Vec::new());
        let from = range.start.saturating_sub(1); // what comes before says whether a sentence is over
        let mut block = self.starts.partition_point(|&start| start <= from) - 1;
        let mut closed = true;
        while self.starts[block] < range.end {
            let opens = self.opens[block];
            for (offset, id) in self.all.get(self.first + block).into_iter().enumerate() {
                let at = self.starts[block] + offset;
                if range.contains(&at) {
                    ids.push(id);
                    begins.push(closed || (opens && offset == 0));
                }
                closed = self.closing.contains(&id);
            }
            block += 1;
        }
        (ids, begins)
    }
}

/// The text of a row.
struct Part<'a> {
    text: &'a Text,
    start: usize,
    length: usize,
    is_reversed: bool,
}

impl Part<'_> {
    /// The ids of `range` as the row walks, and of each whether it is of another sentence than the one before it.
    fn read(&self, range: Range<usize>) -> (Vec<u32>, Vec<bool>) {
        if !self.is_reversed {
            return self.text.read(self.start + range.start..self.start + range.end);
        }
        let end = self.start + self.length;
        let (mut ids, mut begins) = self.text.read(end - range.end..end - range.start);
        // Backwards a sentence begins with its last token: the one before which, as written, the next begins.
        let past = end - range.start;
        let next = if past < end { self.text.read(past..past + 1).1[0] } else { true };
        begins.remove(0);
        begins.push(next);
        ids.reverse();
        begins.reverse();
        (ids, begins)
    }

    /// A and B of `total` tokens together: A begins at `begin` and ends with a sentence, B goes on after it, or half of the
    /// time stands somewhere else in the part, from the beginning of a sentence. What is too much goes from the end of the
    /// longer.
    ///
    /// A sentence longer than `total` may be entered in its middle.
    fn two_segments(&self, begin: usize, total: usize, random: &mut Random) -> [Vec<u32>; 2] {
        let (next, changes) = self.read(begin..(begin + 2 * total).min(self.length));
        let cuts: Vec<usize> = (1..total).filter(|&at| changes[at]).collect();
        let end = (total..next.len()).find(|&at| changes[at]).unwrap_or(next.len());
        let is_random = cuts.is_empty() || random.below(2) == 0;
        let cut =
            if cuts.is_empty() { end } else { cuts[random.below(cuts.len() as u32) as usize] };
        let mut a = next[..cut].to_vec();
        let mut b = match is_random {
            false => next[cut..end].to_vec(),
            true => {
                let wanted = total.saturating_sub(cut).max(1);
                self.sentences(random.below((self.length - wanted) as u32) as usize, wanted, total)
            }
        };
        while a.len() + b.len() > total {
            if a.len() > b.len() {
                a.pop()
            } else {
                b.pop()
            };
        }
        [a, b]
    }

    /// The sentences that `wanted` tokens from `begin` on are in, at most `total` tokens more on either side.
    fn sentences(&self, begin: usize, wanted: usize, total: usize) -> Vec<u32> {
        let from = begin.saturating_sub(total);
        let (ids, changes) = self.read(from..(begin + wanted + total).min(self.length - 1));
        let first = (0..=begin - from).rev().find(|&at| changes[at]).unwrap_or(0);
        let rest = begin - from + wanted;
        let end = (rest..ids.len()).find(|&at| changes[at]).unwrap_or(ids.len());
        ids[first..end].to_vec()
    }
}
