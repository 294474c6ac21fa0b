//! Documents as blocks of token ids, ready to be drawn: in memory, or memory-mapped from a shard.

use std::ops::Range;
use std::path::Path;

use rayon::prelude::*;

use super::error::{Error, Result};
use super::shards::Shard;
use super::text::{Document, TextLayout, documents};
use super::tokenizer::Tokenizer;

/// The last piece of a long document is kept from this length on; a document is never dropped as a whole.
pub const MIN_TAIL: usize = 8;
/// Text tokenized at a time: enough to keep all cores busy, little beside the ids.
const CHUNK_BYTES: usize = 4 << 20;

/// Blocks of token ids without special tokens, each from one document; consecutive blocks of a document follow
/// each other.
#[derive(Debug)]
pub struct TokenBlocks(Storage);

#[derive(Debug)]
enum Storage {
    Memory(InMemory),
    Mapped(Shard),
}

/// How much text has become tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Documents read.
    pub documents: u64,
    /// Blocks made.
    pub blocks: u64,
    /// Tokens in them.
    pub tokens: u64,
}

impl TokenBlocks {
    /// Opens what `wgrad prepare` wrote, or reads text and tokenizes it now (see [`documents`] for what is text).
    ///
    /// # Errors
    /// Those of [`Shard::open`] and [`Shard::check`], or of [`documents`]; [`Error::Empty`] if no token comes of it.
    pub fn load(
        path: &Path,
        layout: TextLayout,
        tokenizer: &Tokenizer,
        max_length: usize,
        progress: impl FnMut(Progress),
    ) -> Result<Self> {
        if let Some(shard) = Shard::find(path) {
            let shard = Shard::open(&shard)?;
            shard.check(tokenizer, max_length)?;
            return Ok(Self(Storage::Mapped(shard)));
        }
        let blocks =
            Self::from_documents(documents(&[path], layout)?, tokenizer, max_length, progress)?;
        if blocks.is_empty() {
            return Err(Error::Empty { path: path.into(), expected: "documents with text".into() });
        }
        Ok(blocks)
    }

    /// Tokenizes documents on all cores and keeps the ids in memory, four bytes each.
    ///
    /// # Errors
    /// The first error among `documents`.
    pub fn from_documents(
        documents: impl IntoIterator<Item = Result<Document>>,
        tokenizer: &Tokenizer,
        max_length: usize,
        progress: impl FnMut(Progress),
    ) -> Result<Self> {
        let mut memory = InMemory { ids: Vec::new(), blocks: vec![0], documents: vec![0] };
        let add = |document: &[Vec<u32>]| {
            for block in document {
                memory.ids.extend(block);
                memory.blocks.push(memory.ids.len());
            }
            memory.documents.push(memory.blocks.len() - 1);
            Ok(())
        };
        tokenize_documents(documents, tokenizer, max_length, progress, add)?;
        Ok(Self(Storage::Memory(memory)))
    }

    /// Number of blocks.
    pub fn len(&self) -> usize {
        match &self.0 {
            Storage::Memory(memory) => memory.blocks.len() - 1,
            Storage::Mapped(shard) => shard.len(),
        }
    }

    /// Whether there is no block.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Ids of block `index`, without special tokens.
    ///
    /// # Panics
    /// If `index` is not below [`Self::len`].
    #[track_caller]
    pub fn get(&self, index: usize) -> Vec<u32> {
        match &self.0 {
            Storage::Memory(memory) => {
                memory.ids[memory.blocks[index]..memory.blocks[index + 1]].to_vec()
            }
            Storage::Mapped(shard) => shard.get(index),
        }
    }

    /// Number of ids of block `index`.
    ///
    /// # Panics
    /// If `index` is not below [`Self::len`].
    #[track_caller]
    pub fn block_length(&self, index: usize) -> usize {
        match &self.0 {
            Storage::Memory(memory) => memory.blocks[index + 1] - memory.blocks[index],
            Storage::Mapped(shard) => shard.block_range(index).len(),
        }
    }

    /// Number of documents.
    pub fn n_documents(&self) -> usize {
        match &self.0 {
            Storage::Memory(memory) => memory.documents.len() - 1,
            Storage::Mapped(shard) => shard.n_documents(),
        }
    }

    /// Blocks of document `index`.
    ///
    /// # Panics
    /// If `index` is not below [`Self::n_documents`].
    #[track_caller]
    pub fn document(&self, index: usize) -> Range<usize> {
        match &self.0 {
            Storage::Memory(memory) => memory.documents[index]..memory.documents[index + 1],
            Storage::Mapped(shard) => shard.document(index),
        }
    }

    /// Number of ids in all blocks.
    pub fn n_tokens(&self) -> u64 {
        match &self.0 {
            Storage::Memory(memory) => memory.ids.len() as u64,
            Storage::Mapped(shard) => shard.n_tokens(),
        }
    }
}

/// `ids[blocks[i]..blocks[i + 1]]` is block i; blocks `documents[d]..documents[d + 1]` are document d.
#[derive(Debug)]
struct InMemory {
    ids: Vec<u32>,
    blocks: Vec<usize>,
    documents: Vec<usize>,
}

/// Tokenizes on all cores and hands each document's blocks of at most `max_length − 2` ids to `add`, in order.
pub(crate) fn tokenize_documents(
    documents: impl IntoIterator<Item = Result<Document>>,
    tokenizer: &Tokenizer,
    max_length: usize,
    mut progress: impl FnMut(Progress),
    mut add: impl FnMut(&[Vec<u32>]) -> Result<()>,
) -> Result<Progress> {
    assert!(
        max_length > 2,
        "max_length is {max_length}, expected room for a token and two specials"
    );
    let mut documents = documents.into_iter();
    let mut done = Progress::default();
    loop {
        let mut chunk = Vec::new();
        let mut bytes = 0;
        while bytes < CHUNK_BYTES {
            let Some(document) = documents.next() else { break };
            let text = document?.full_text();
            bytes += text.len();
            chunk.push(text);
        }
        if chunk.is_empty() {
            return Ok(done);
        }
        let split: Vec<Vec<Vec<u32>>> = chunk
            .par_iter()
            .map(|text| split_blocks(&tokenizer.encode_plain(text), max_length - 2))
            .collect();
        for blocks in split.iter().filter(|blocks| !blocks.is_empty()) {
            done.documents += 1;
            done.blocks += blocks.len() as u64;
            done.tokens += blocks.iter().map(|block| block.len() as u64).sum::<u64>();
            add(blocks)?;
        }
        progress(done);
    }
}

fn split_blocks(ids: &[u32], length: usize) -> Vec<Vec<u32>> {
    let mut blocks: Vec<Vec<u32>> = ids.chunks(length).map(<[u32]>::to_vec).collect();
    if blocks.len() > 1 && blocks.last().is_some_and(|tail| tail.len() < MIN_TAIL) {
        blocks.pop();
    }
    blocks
}
