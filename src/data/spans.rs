//! Two spans of one document, for objectives that hold them to be alike (coCondenser).

use super::blocks::TokenBlocks;
use super::random::{Purpose, Random};

/// Documents that have two spans or more; a span is a block.
#[derive(Clone, Debug)]
pub struct SpanPairs {
    documents: Vec<u32>,
    seed: u64,
}

impl SpanPairs {
    /// Finds the documents of at least two blocks.
    pub fn new(blocks: &TokenBlocks, seed: u64) -> Self {
        let long = |&document: &u32| blocks.document(document as usize).len() >= 2;
        Self { documents: (0..blocks.n_documents() as u32).filter(long).collect(), seed }
    }

    /// Number of such documents: the examples to sample from.
    pub fn len(&self) -> usize {
        self.documents.len()
    }

    /// Whether every document is a single block.
    pub fn is_empty(&self) -> bool {
        self.documents.is_empty()
    }

    /// How many of them lie before the block `block`.
    pub fn before(&self, blocks: &TokenBlocks, block: usize) -> usize {
        let lies_before = |&document: &u32| blocks.document(document as usize).end <= block;
        self.documents.partition_point(lies_before)
    }

    /// Draws two distinct blocks of each example's document: places 2i and 2i + 1 of the result are example i's.
    ///
    /// # Panics
    /// If an example is not below [`Self::len`].
    ///
    /// # Source
    /// Gao & Callan 2022, arXiv:2108.05540; luyug/Condenser, commit `74880ab`, `data.py`, `CoCondenserDataset`.
    #[track_caller]
    pub fn draw(&self, blocks: &TokenBlocks, epoch: u64, examples: &[u32]) -> Vec<u32> {
        let pair = |&example: &u32| {
            let spans = blocks.document(self.documents[example as usize] as usize);
            let mut random = Random::new(self.seed, Purpose::Spans, epoch, example.into());
            let first = random.below(spans.len() as u32);
            // The second is drawn from the others: those after the first move down by one.
            let second = random.below(spans.len() as u32 - 1);
            let second = if second < first { second } else { second + 1 };
            [first, second].map(|span| spans.start as u32 + span)
        };
        examples.iter().flat_map(pair).collect()
    }
}
