//! A small retrieval test during training: it answers "when do I stop?", which no loss does.

use wgrad_engine::Device;
use wgrad_models::{Encoder, Hybrid, Pooling, Similarity};

use crate::data::TokenBlocks;
use crate::retrieval::encode::{self, encode};
use crate::retrieval::hybrid;
use crate::retrieval::search::search;

/// Queries with the one passage that answers each, and further passages.
pub struct Probe {
    queries: Vec<Vec<u32>>,
    passages: Vec<Vec<u32>>,
    /// The passage of each query.
    answers: Vec<u32>,
    pad: u32,
}

/// Rank below which an answer counts for nothing.
const DEPTH: usize = 10;
/// Texts encoded together.
const BATCH: usize = 64;
/// Blocks shorter than this are not cut in two.
const SHORTEST: usize = 16;

impl Probe {
    /// Queries and passages as ids with special tokens; `answers[i]` is the passage of query i.
    ///
    /// # Panics
    /// If there is not one answer a query.
    pub fn new(
        queries: Vec<Vec<u32>>,
        passages: Vec<Vec<u32>>,
        answers: Vec<u32>,
        pad: u32,
    ) -> Self {
        assert_eq!(queries.len(), answers.len(), "probe: one answer a query");
        Self { queries, passages, answers, pad }
    }

    /// Blocks cut in two: the first third of a block asks for the rest of it.
    pub fn of_blocks(
        blocks: &TokenBlocks,
        examples: impl Iterator<Item = usize>,
        max_length: usize,
        (cls, sep, pad): (u32, u32, u32),
    ) -> Self {
        let wrap = |ids: &[u32]| [&[cls], &ids[..ids.len().min(max_length - 2)], &[sep]].concat();
        let (mut queries, mut passages) = (Vec::new(), Vec::new());
        for block in examples.map(|at| blocks.get(at)).filter(|block| block.len() >= SHORTEST) {
            let cut = block.len() / 3;
            queries.push(wrap(&block[..cut]));
            passages.push(wrap(&block[cut..]));
        }
        let answers = (0..queries.len() as u32).collect();
        Self::new(queries, passages, answers, pad)
    }

    /// Whether there is anything to ask.
    pub fn is_empty(&self) -> bool {
        self.queries.is_empty()
    }

    /// MRR@10 of the answers, by exact search with vectors of `encoder`.
    ///
    /// # Errors
    /// As [`encode()`].
    pub fn mrr(
        &self,
        device: &Device,
        encoder: &dyn Encoder,
        how: (Pooling, Similarity),
    ) -> Result<f64, encode::Error> {
        let vectors =
            |ids: &[Vec<u32>]| encode(device, encoder, how, ids, (self.pad, BATCH), |_| {});
        let width = encoder.config().hidden_size;
        self.mrr_by(|queries, passages, depth| {
            let (queries, passages) = (vectors(queries)?, vectors(passages)?);
            Ok(search(device, width, &queries, &passages, depth, |_| {}))
        })
    }

    /// MRR@10 of the answers, by exact search with both parts of a hybrid representation.
    ///
    /// # Errors
    /// As [`encode()`].
    pub fn mrr_of_hybrid(&self, device: &Device, model: &Hybrid) -> Result<f64, encode::Error> {
        let batches = (self.pad, BATCH);
        self.mrr_by(|queries, passages, depth| {
            let queries = hybrid::queries(device, model, queries, batches, |_| {})?;
            let passages = hybrid::passages(device, model, passages, batches, |_| {})?;
            Ok(hybrid::search(device, &queries, &passages, depth, |_| {}))
        })
    }

    /// MRR@10 of the answers by any search: of queries, of passages and of how many of them are wanted a query.
    ///
    /// # Errors
    /// As `find`.
    pub fn mrr_by<E>(
        &self,
        find: impl FnOnce(&[Vec<u32>], &[Vec<u32>], usize) -> Result<Vec<Vec<(u32, f32)>>, E>,
    ) -> Result<f64, E> {
        let results = find(&self.queries, &self.passages, DEPTH)?;
        let reciprocal = |(hits, answer): (&Vec<(u32, f32)>, &u32)| {
            let rank = hits.iter().position(|(passage, _)| passage == answer);
            rank.map_or(0.0, |rank| 1.0 / (rank + 1) as f64)
        };
        // Not `sum`, which is −0 over nothing found.
        let sum = results.iter().zip(&self.answers).map(reciprocal).fold(0.0, |sum, r| sum + r);
        Ok(sum / self.queries.len().max(1) as f64)
    }
}
