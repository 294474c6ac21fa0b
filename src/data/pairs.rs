//! Batches of queries and passages for contrastive fine-tuning and for cross-encoders.

use std::sync::Arc;

use super::collate::{Padding, TokenBatch};
use super::delimiters::Side;
use super::error::Result;
use super::random::{Purpose, Random};
use super::records::{Record, Records};
use super::tokenizer::Tokenizer;

/// Draws of a random negative before a repeated or relevant one is taken.
const MAX_DRAWS: usize = 64;

/// Queries, and a group of G passages for each: first one that answers it, then G − 1 that do not.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PairBatch {
    /// `[B, Tq]`.
    pub query: TokenBatch,
    /// `[B·G, Tp]`, query by query.
    pub passage: TokenBatch,
    /// G.
    pub group_size: usize,
    /// `[B]`: equal texts have equal numbers.
    pub query_ids: Vec<u32>,
    /// `[B·G]`: equal texts have equal numbers.
    pub passage_ids: Vec<u32>,
    /// `[B]`: the column of each query's positive, `b·G`.
    pub target: Vec<u32>,
    /// Cells `(query, passage)` of the `[B, B·G]` scores that are known to be relevant and are not the target: the
    /// target's text again, or another positive of the query. Sorted; a loss must not count them as negatives.
    pub false_negatives: Vec<(u32, u32)>,
    /// `[B·G]`: a teacher's scores, if every record brings them.
    pub teacher_scores: Option<Vec<f32>>,
}

/// Each query joined with each passage of its group, `[CLS] query [SEP] passage [SEP]`, for a cross-encoder.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JointBatch {
    /// `[B·G, T]`, query by query.
    pub pair: TokenBatch,
    /// `[B·G, T]`: 0 up to the first `[SEP]` and in the padding, 1 for the passage and the last `[SEP]`.
    pub token_type_ids: Vec<u32>,
}

/// Makes batches of records. Which positive and which negatives a record shows is a function of (seed, epoch,
/// record): both rotate from epoch to epoch, so that all are seen.
#[derive(Clone, Debug)]
pub struct PairCollator {
    /// Turns texts into ids.
    pub tokenizer: Arc<Tokenizer>,
    /// Rows of the model's embedding table.
    pub model_vocab_size: usize,
    /// Longest query, special tokens included.
    pub query_max_length: usize,
    /// Longest passage, special tokens included.
    pub passage_max_length: usize,
    /// G: passages a query, the positive included.
    pub group_size: usize,
    /// Put before each query, such as `query: `.
    pub query_prefix: String,
    /// Put before each passage.
    pub passage_prefix: String,
    /// How rows are padded.
    pub padding: Padding,
    /// Seed of the choice of passages.
    pub seed: u64,
}

impl PairCollator {
    /// No prefixes, padded to a multiple of 8.
    ///
    /// # Panics
    /// If `group_size` is 0.
    #[track_caller]
    pub fn new(
        tokenizer: Arc<Tokenizer>,
        model_vocab_size: usize,
        (query_max_length, passage_max_length): (usize, usize),
        group_size: usize,
        seed: u64,
    ) -> Self {
        assert!(group_size > 0, "pairs: group_size is 0, expected the positive at least");
        let (query_prefix, passage_prefix) = (String::new(), String::new());
        let padding = Padding::default();
        Self {
            tokenizer,
            model_vocab_size,
            query_max_length,
            passage_max_length,
            group_size,
            query_prefix,
            passage_prefix,
            padding,
            seed,
        }
    }

    /// Makes the batch of these records.
    ///
    /// # Errors
    /// [`super::Error::IdOutOfRange`] if the tokenizer is not the model's.
    ///
    /// # Panics
    /// If an example is not below `records.len()`.
    pub fn batch(&self, records: &Records, epoch: u64, examples: &[u32]) -> Result<PairBatch> {
        let groups = self.groups(records, epoch, examples);
        let (texts, passages) = (records.queries(), records.passages());
        let query_ids: Vec<u32> =
            examples.iter().map(|&e| records.records()[e as usize].query).collect();
        let passage_ids: Vec<u32> =
            groups.iter().flat_map(|g| g.passages.iter().copied()).collect();

        let queries: Vec<Vec<u32>> =
            (query_ids.iter()).map(|&id| self.encode_query(&texts[id as usize])).collect();
        let encoded: Vec<Vec<u32>> =
            (passage_ids.iter()).map(|&id| self.encode_passage(&passages[id as usize])).collect();
        let query = self.pad(&queries, self.query_max_length, |row| {
            format!("query of record {}", examples[row])
        })?;
        let passage = self.pad(&encoded, self.passage_max_length, |row| {
            format!("passage of record {}", examples[row / self.group_size])
        })?;
        let target: Vec<u32> =
            (0..examples.len()).map(|row| (row * self.group_size) as u32).collect();
        let false_negatives = false_negatives(records, &query_ids, &passage_ids, &target);
        let teacher_scores =
            groups.into_iter().map(|g| g.teacher_scores).collect::<Option<Vec<_>>>();
        Ok(PairBatch {
            query,
            passage,
            group_size: self.group_size,
            query_ids,
            passage_ids,
            target,
            false_negatives,
            teacher_scores: teacher_scores.map(|scores| scores.concat()),
        })
    }

    /// Makes the same records' batch for a cross-encoder, both texts within `passage_max_length`.
    ///
    /// # Errors
    /// As [`Self::batch`].
    pub fn joint_batch(
        &self,
        records: &Records,
        epoch: u64,
        examples: &[u32],
    ) -> Result<JointBatch> {
        let max_length = self.passage_max_length;
        let mut pairs = Vec::new();
        let mut boundaries = Vec::new();
        for (&example, group) in examples.iter().zip(self.groups(records, epoch, examples)) {
            let query = &records.queries()[records.records()[example as usize].query as usize];
            let query = format!("{}{query}", self.query_prefix);
            for passage in group.passages {
                let passage = &records.passages()[passage as usize];
                let passage = format!("{}{passage}", self.passage_prefix);
                let (ids, boundary) = self.tokenizer.encode_pair(&query, &passage, max_length);
                pairs.push(ids);
                boundaries.push(boundary);
            }
        }
        let pair = self
            .pad(&pairs, max_length, |row| format!("record {}", examples[row / self.group_size]))?;
        let mut token_type_ids = vec![0; pair.input_ids.len()];
        for (row, (ids, boundary)) in pairs.iter().zip(boundaries).enumerate() {
            token_type_ids[row * pair.tokens..][boundary..ids.len()].fill(1);
        }
        Ok(JointBatch { pair, token_type_ids })
    }

    /// Numbers of the texts a record shows in an epoch, for [`super::Sampler::without_duplicates`]: even numbers
    /// are queries, odd ones passages.
    pub fn keys(&self, records: &Records, epoch: u64, example: u32) -> Vec<u64> {
        let record = &records.records()[example as usize];
        let group = self.group(records, record, epoch, example);
        let passages = group.passages.iter().map(|&passage| 2 * u64::from(passage) + 1);
        [2 * u64::from(record.query)].into_iter().chain(passages).collect()
    }

    /// Ids of a query, prefix and special tokens included.
    pub fn encode_query(&self, text: &str) -> Vec<u32> {
        let text = format!("{}{text}", self.query_prefix);
        self.tokenizer.encode_as(Side::Query, &text, self.query_max_length)
    }

    /// Ids of a passage, prefix and special tokens included.
    pub fn encode_passage(&self, text: &str) -> Vec<u32> {
        self.tokenizer.encode(&format!("{}{text}", self.passage_prefix), self.passage_max_length)
    }

    fn pad(
        &self,
        rows: &[Vec<u32>],
        max_length: usize,
        name: impl Fn(usize) -> String,
    ) -> Result<TokenBatch> {
        let pad = self.tokenizer.special().pad;
        TokenBatch::pad(rows, pad, self.padding, max_length, self.model_vocab_size, name)
    }

    fn groups(&self, records: &Records, epoch: u64, examples: &[u32]) -> Vec<Group> {
        let group = |&example: &u32| {
            self.group(records, &records.records()[example as usize], epoch, example)
        };
        examples.iter().map(group).collect()
    }

    fn group(&self, records: &Records, record: &Record, epoch: u64, example: u32) -> Group {
        // The rotation is over one order for all epochs, so this stream has no epoch.
        let mut fixed = Random::new(self.seed, Purpose::Passages, 0, example.into());
        let mut order: Vec<usize> = (0..record.positives.len()).collect();
        fixed.shuffle(&mut order);
        let positive = order[(epoch % order.len() as u64) as usize];
        let mut chosen = vec![positive];

        let mut order: Vec<usize> = (0..record.negatives.len()).collect();
        fixed.shuffle(&mut order);
        let wanted = self.group_size - 1;
        let first = epoch.wrapping_mul(wanted as u64);
        chosen.extend((0..wanted.min(order.len())).map(|k| {
            let turn = (first.wrapping_add(k as u64) % order.len() as u64) as usize;
            record.positives.len() + order[turn]
        }));
        let all: Vec<u32> = record.positives.iter().chain(&record.negatives).copied().collect();
        let mut passages: Vec<u32> = chosen.iter().map(|&at| all[at]).collect();
        let complete = passages.len() == self.group_size;
        let teacher_scores = match &record.teacher_scores {
            Some(scores) if complete => Some(chosen.iter().map(|&at| scores[at]).collect()),
            _ => None,
        };

        // Too few negatives of its own: the rest is drawn from all passages that do not answer the query.
        let mut random = Random::new(self.seed, Purpose::Negatives, epoch, example.into());
        let relevant = records.relevant(record.query);
        while passages.len() < self.group_size {
            let drawn = (0..MAX_DRAWS)
                .map(|_| random.below(records.passages().len() as u32))
                .find(|drawn| relevant.binary_search(drawn).is_err() && !passages.contains(drawn));
            // A collection too small to hold one gives any: what is relevant, the loss masks.
            passages.push(drawn.unwrap_or_else(|| random.below(records.passages().len() as u32)));
        }
        Group { passages, teacher_scores }
    }
}

/// Passages a record shows, the positive first.
struct Group {
    passages: Vec<u32>,
    teacher_scores: Option<Vec<f32>>,
}

fn false_negatives(
    records: &Records,
    query_ids: &[u32],
    passage_ids: &[u32],
    target: &[u32],
) -> Vec<(u32, u32)> {
    let mut cells = Vec::new();
    for (row, (&query, &target)) in query_ids.iter().zip(target).enumerate() {
        let relevant = records.relevant(query);
        for (column, passage) in passage_ids.iter().enumerate() {
            if column != target as usize && relevant.binary_search(passage).is_ok() {
                cells.push((row as u32, column as u32));
            }
        }
    }
    cells
}
