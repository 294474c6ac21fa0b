//! Texts as ColBERT reads them: a marker after `[CLS]`, queries filled up with `[MASK]`, and document tokens that do not
//! count (Khattab & Zaharia 2020, arXiv:2004.12832, §3.2).

use super::collate::{Padding, TokenBatch};
use super::delimiters::Side;
use super::error::Result;
use super::pairs::PairCollator;
use super::records::Records;
use super::tokenizer::Tokenizer;

/// How texts are marked.
#[derive(Clone, Debug, PartialEq)]
pub struct Marking {
    /// Ids of `[Q]` and `[D]`.
    pub markers: [u32; 2],
    /// Tokens of every query, and of the longest document.
    pub lengths: [usize; 2],
    /// Whether tokens of a query attend to the `[MASK]`s that fill it up.
    pub attends: bool,
    /// Ids that do not count in documents, sorted.
    pub skipped: Vec<u32>,
    /// Rows of the model's embedding table.
    pub model_vocab_size: usize,
    mask: u32,
    pad: u32,
}

/// Marked texts, padded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MarkedBatch {
    /// `[B, T]`; `lengths` are the tokens that others may attend to.
    pub text: TokenBatch,
    /// `[B·T]`: 1 where a token counts in scores.
    pub counted: Vec<u32>,
}

impl Marking {
    /// Markers and lengths as given; the ids of `skipped` words, but for words that are no token.
    pub fn new(
        tokenizer: &Tokenizer,
        model_vocab_size: usize,
        markers: [u32; 2],
        lengths: [usize; 2],
        skipped: &[String],
    ) -> Self {
        let special = tokenizer.special();
        let mut skipped: Vec<u32> =
            skipped.iter().filter_map(|word| tokenizer.id_of(word)).collect();
        // A word that is no token would be [UNK], and every unknown word would be skipped with it.
        skipped.retain(|&id| id != special.unk);
        skipped.sort_unstable();
        let (mask, pad) = (special.mask, special.pad);
        Self { markers, lengths, attends: false, skipped, model_vocab_size, mask, pad }
    }

    /// `[CLS] text… [SEP]` → `[CLS] [Q] text… [SEP]`, with `[D]` for documents, the text cut to the length.
    ///
    /// # Panics
    /// If `ids` lacks one of the two special tokens.
    #[track_caller]
    pub fn mark(&self, side: Side, ids: &[u32]) -> Vec<u32> {
        let [cls, text @ .., sep] = ids else { panic!("mark: {ids:?} has no [CLS] and [SEP]") };
        let (marker, longest) = (self.markers[side as usize], self.lengths[side as usize]);
        let kept = &text[..text.len().min(longest - 3)];
        [&[*cls, marker], kept, &[*sep]].concat()
    }

    /// Marks and pads texts that have their special tokens; queries with `[MASK]`, all to one length.
    ///
    /// # Errors
    /// [`super::Error::IdOutOfRange`] for an id that the model has no row for; `name` says which text a row is.
    pub fn batch<E: AsRef<[u32]>>(
        &self,
        side: Side,
        texts: &[E],
        name: impl Fn(usize) -> String,
    ) -> Result<MarkedBatch> {
        let marked: Vec<Vec<u32>> = texts.iter().map(|ids| self.mark(side, ids.as_ref())).collect();
        let (filler, padding) = match side {
            Side::Query => (self.mask, Padding::Fixed),
            Side::Passage => (self.pad, Padding::default()),
        };
        let (longest, vocabulary) = (self.lengths[side as usize], self.model_vocab_size);
        let mut text = TokenBatch::pad(&marked, filler, padding, longest, vocabulary, name)?;
        let mut counted = vec![1; text.input_ids.len()];
        match side {
            Side::Query if self.attends => text.lengths.fill(text.tokens as u32),
            Side::Query => {}
            Side::Passage => {
                for (at, mark) in counted.iter_mut().enumerate() {
                    let (row, token) = (at / text.tokens, at % text.tokens);
                    let id = &text.input_ids[at];
                    let is_text = token < text.lengths[row] as usize;
                    *mark = u32::from(is_text && self.skipped.binary_search(id).is_err());
                }
            }
        }
        Ok(MarkedBatch { text, counted })
    }
}

/// Marked queries, and a group of G marked documents for each: first one that answers it, then G − 1 that do not.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ColbertBatch {
    /// `[B, S]`.
    pub query: MarkedBatch,
    /// `[B·G, T]`, query by query.
    pub document: MarkedBatch,
    /// `[B]`: the column of each query's positive, `b·G`.
    pub target: Vec<u32>,
    /// As of a [`super::PairBatch`].
    pub false_negatives: Vec<(u32, u32)>,
}

/// Makes batches of records: those of a [`PairCollator`], marked.
#[derive(Clone, Debug)]
pub struct ColbertCollator {
    pairs: PairCollator,
    marking: Marking,
}

impl ColbertCollator {
    /// Takes the records that `pairs` takes; its lengths and padding are not looked at.
    pub fn new(pairs: PairCollator, marking: Marking) -> Self {
        let [query_max_length, passage_max_length] = marking.lengths;
        let pairs = PairCollator { query_max_length, passage_max_length, ..pairs };
        Self { pairs, marking }
    }

    /// Makes the batch of these records.
    ///
    /// # Errors
    /// [`super::Error::IdOutOfRange`] if the tokenizer is not the model's.
    ///
    /// # Panics
    /// If an example is not below `records.len()`.
    pub fn batch(&self, records: &Records, epoch: u64, examples: &[u32]) -> Result<ColbertBatch> {
        let pairs = self.pairs.batch(records, epoch, examples)?;
        let mark = |side, batch: &TokenBatch, what: &str, each: usize| {
            let rows = batch.input_ids.chunks_exact(batch.tokens).zip(&batch.lengths);
            let rows: Vec<&[u32]> = rows.map(|(row, &length)| &row[..length as usize]).collect();
            let name = |row: usize| format!("{what} of record {}", examples[row / each]);
            self.marking.batch(side, &rows, name)
        };
        Ok(ColbertBatch {
            query: mark(Side::Query, &pairs.query, "query", 1)?,
            document: mark(Side::Passage, &pairs.passage, "passage", pairs.group_size)?,
            target: pairs.target,
            false_negatives: pairs.false_negatives,
        })
    }

    /// As [`PairCollator::keys`].
    pub fn keys(&self, records: &Records, epoch: u64, example: u32) -> Vec<u64> {
        self.pairs.keys(records, epoch, example)
    }
}
