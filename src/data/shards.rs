//! A token shard: a corpus tokenized once and memory-mapped after, so that a run starts at once and needs no memory
//! for its text.
//!
//! `tokens.bin`, little endian:
//!
//! | bytes | what |
//! |---|---|
//! | 64 | header: magic, version, bytes an id, vocabulary, longest block, blocks, documents, tokens, tokenizer, checksum |
//! | tokens × (2 or 4), padded to 8 | ids, without special tokens |
//! | (blocks + 1) × 8 | where each block starts, in tokens |
//! | (documents + 1) × 8 | where each document starts, in blocks |
//!
//! The checksum covers the header and both tables. Ids are checked against the model's vocabulary when they are
//! collated, since reading all of them would defeat the mapping.

use std::fs::File;
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use memmap2::Mmap;

use super::atomic;
use super::blocks::{Progress, tokenize_documents};
use super::error::{Error, Result};
use super::files::create_dir;
use super::text::Document;
use super::tokenizer::{FNV_OFFSET, FNV_PRIME, Tokenizer};

/// Name of the shard inside the directory that `wgrad prepare` writes.
pub const FILE_NAME: &str = "tokens.bin";
const MAGIC: [u8; 8] = *b"WGRADTOK";
const VERSION: u32 = 1;
const HEADER_BYTES: usize = 64;

/// Tokenizes documents into `dir`: the shard and, beside it, the tokenizer it was made with.
///
/// # Errors
/// The first error among `documents`; [`Error::Empty`] if they hold no text; [`Error::Write`]. Nothing half-written is
/// left at a final path.
pub fn prepare(
    documents: impl IntoIterator<Item = Result<Document>>,
    tokenizer: &Tokenizer,
    max_length: usize,
    dir: &Path,
    progress: impl FnMut(Progress),
) -> Result<Progress> {
    create_dir(dir)?;
    let path = dir.join(FILE_NAME);
    let mut result = Ok(Progress::default());
    let written = atomic::write_file_with(&path, |file| {
        result = write_shard(file, &path, documents, tokenizer, max_length, progress);
        // The write is abandoned; which error stopped it is in `result`.
        if result.is_ok() { Ok(()) } else { Err(std::io::Error::other("stopped")) }
    });
    let done = result?;
    written?;
    tokenizer.save(dir, max_length)?;
    Ok(done)
}

/// A shard that is open; reading a block touches only its pages.
#[derive(Debug)]
pub struct Shard {
    path: PathBuf,
    map: Mmap,
    header: Header,
}

impl Shard {
    /// Finds the shard that `path` is or holds, if it is one.
    pub fn find(path: &Path) -> Option<PathBuf> {
        let inside = path.join(FILE_NAME);
        let is_shard = path.file_name().is_some_and(|name| name == FILE_NAME);
        if inside.is_file() { Some(inside) } else { is_shard.then(|| path.into()) }
    }

    /// Maps a shard after checking its header, its size and its tables.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::WrongFormat`], [`Error::Truncated`] or [`Error::Io`].
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|e| Error::io(path, "read", e))?;
        // SAFETY: the mapping is read-only and private to this process. Should another process shorten the file
        // meanwhile, reads fault as they would for any mapped file; `prepare` never does, it renames a new file.
        let map = unsafe { Mmap::map(&file) }.map_err(|e| Error::io(path, "map", e))?;
        let header = Header::read(&map, path)?;
        let shard = Self { path: path.into(), map, header };
        if shard.checksum() != header.checksum {
            return Err(shard.wrong(
                "an intact shard",
                "a checksum that does not match; run `wgrad prepare` again",
            ));
        }
        Ok(shard)
    }

    /// Checks that a run may use this shard.
    ///
    /// # Errors
    /// [`Error::WrongFormat`] if another tokenizer made it, or its blocks are longer than `max_length` allows.
    pub fn check(&self, tokenizer: &Tokenizer, max_length: usize) -> Result<()> {
        let header = &self.header;
        if header.tokenizer != tokenizer.fingerprint() {
            let expected =
                format!("ids of this run's tokenizer ({} tokens)", tokenizer.vocab_size());
            let found = format!("ids of another one ({} tokens)", header.vocab_size);
            let advice = "use the tokenizer beside the shard, or run `wgrad prepare` again";
            return Err(self.wrong(&expected, &format!("{found}; {advice}")));
        }
        let length = header.longest as usize + 2;
        if length > max_length {
            let expected =
                format!("blocks of at most {max_length} tokens, [CLS] and [SEP] included");
            let advice = format!("run `wgrad prepare --max-length {max_length}`");
            return Err(self.wrong(&expected, &format!("blocks of {length}; {advice}")));
        }
        Ok(())
    }

    /// Number of blocks.
    pub fn len(&self) -> usize {
        self.header.blocks as usize
    }

    /// Whether there is no block; never true of a shard that [`prepare`] wrote.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of documents.
    pub fn n_documents(&self) -> usize {
        self.header.documents as usize
    }

    /// Number of ids.
    pub fn n_tokens(&self) -> u64 {
        self.header.tokens
    }

    /// Ids of block `index`.
    ///
    /// # Panics
    /// If `index` is not below [`Self::len`].
    #[track_caller]
    pub fn get(&self, index: usize) -> Vec<u32> {
        let width = self.header.id_bytes as usize;
        let range = self.block_range(index);
        let bytes = &self.map[HEADER_BYTES + range.start * width..HEADER_BYTES + range.end * width];
        match width {
            2 => bytes.chunks_exact(2).map(|b| u16::from_le_bytes([b[0], b[1]]).into()).collect(),
            _ => bytes
                .chunks_exact(4)
                .map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
                .collect(),
        }
    }

    /// Tokens of block `index`, as places in the shard.
    ///
    /// # Panics
    /// If `index` is not below [`Self::len`].
    #[track_caller]
    pub fn block_range(&self, index: usize) -> Range<usize> {
        assert!(index < self.len(), "block {index} of a shard of {}", self.len());
        let entry = self.header.tables_at() + index * 8;
        self.entry(entry)..self.entry(entry + 8)
    }

    /// Blocks of document `index`.
    ///
    /// # Panics
    /// If `index` is not below [`Self::n_documents`].
    #[track_caller]
    pub fn document(&self, index: usize) -> Range<usize> {
        assert!(index < self.n_documents(), "document {index} of {}", self.n_documents());
        let entry = self.header.tables_at() + (self.len() + 1 + index) * 8;
        self.entry(entry)..self.entry(entry + 8)
    }

    fn entry(&self, at: usize) -> usize {
        u64_at(&self.map, at) as usize
    }

    fn checksum(&self) -> u64 {
        let hash = hash_bytes(FNV_OFFSET, &self.map[..HEADER_BYTES - 8]);
        hash_bytes(hash, &self.map[self.header.tables_at()..])
    }

    fn wrong(&self, expected: &str, found: &str) -> Error {
        wrong(&self.path, expected, found)
    }
}

/// The first 64 bytes.
#[derive(Clone, Copy, Debug)]
struct Header {
    id_bytes: u32,
    vocab_size: u32,
    longest: u32,
    blocks: u64,
    documents: u64,
    tokens: u64,
    tokenizer: u64,
    checksum: u64,
}

impl Header {
    fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let mut bytes = Vec::with_capacity(HEADER_BYTES);
        bytes.extend(MAGIC);
        for word in [VERSION, self.id_bytes, self.vocab_size, self.longest] {
            bytes.extend(word.to_le_bytes());
        }
        for word in [self.blocks, self.documents, self.tokens, self.tokenizer, self.checksum] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.try_into().expect("8 + 4 × 4 + 5 × 8 bytes are 64")
    }

    fn read(bytes: &[u8], path: &Path) -> Result<Self> {
        if bytes.len() < HEADER_BYTES {
            let (expected, found) = (HEADER_BYTES as u64, bytes.len() as u64);
            return Err(Error::Truncated { path: path.into(), expected, found });
        }
        if bytes[..8] != MAGIC {
            return Err(wrong(path, "a token shard of `wgrad prepare`", "a file that is none"));
        }
        let word = |at: usize| u64_at(bytes, at) as u32;
        if word(8) != VERSION {
            let found = format!("version {}; run `wgrad prepare` again", word(8));
            return Err(wrong(path, &format!("version {VERSION} of the shard format"), &found));
        }
        let header = Self {
            id_bytes: word(12),
            vocab_size: word(16),
            longest: word(20),
            blocks: u64_at(bytes, 24),
            documents: u64_at(bytes, 32),
            tokens: u64_at(bytes, 40),
            tokenizer: u64_at(bytes, 48),
            checksum: u64_at(bytes, 56),
        };
        let found = bytes.len() as u64;
        match header.total_bytes() {
            Some(expected) if expected == found => Ok(header),
            Some(expected) if expected > found => {
                Err(Error::Truncated { path: path.into(), expected, found })
            }
            _ => Err(wrong(path, "a shard as long as its header says", &format!("{found} bytes"))),
        }
    }

    /// Bytes of the whole file; `None` for sizes no file has.
    fn total_bytes(&self) -> Option<u64> {
        let ids = self.tokens.checked_mul(self.id_bytes.into())?.checked_next_multiple_of(8)?;
        let entries = self.blocks.checked_add(self.documents)?.checked_add(2)?;
        entries.checked_mul(8)?.checked_add(ids)?.checked_add(HEADER_BYTES as u64)
    }

    /// First byte of the tables.
    fn tables_at(&self) -> usize {
        HEADER_BYTES + (self.tokens as usize * self.id_bytes as usize).next_multiple_of(8)
    }
}

fn write_shard(
    file: &mut BufWriter<File>,
    path: &Path,
    documents: impl IntoIterator<Item = Result<Document>>,
    tokenizer: &Tokenizer,
    max_length: usize,
    progress: impl FnMut(Progress),
) -> Result<Progress> {
    let failed = |source| Error::Io { path: path.into(), action: "write", source };
    let id_bytes = if tokenizer.vocab_size() <= 1 << 16 { 2 } else { 4 };
    let mut block_starts = vec![0u64];
    let mut document_starts = vec![0u64];
    let mut longest = 0;
    file.write_all(&[0; HEADER_BYTES]).map_err(failed)?;
    let done = tokenize_documents(documents, tokenizer, max_length, progress, |blocks| {
        let mut bytes = Vec::new();
        let mut end = block_starts[block_starts.len() - 1];
        for block in blocks {
            longest = longest.max(block.len());
            end += block.len() as u64;
            block_starts.push(end);
            match id_bytes {
                2 => block.iter().for_each(|&id| bytes.extend((id as u16).to_le_bytes())),
                _ => block.iter().for_each(|&id| bytes.extend(id.to_le_bytes())),
            }
        }
        document_starts.push(block_starts.len() as u64 - 1);
        file.write_all(&bytes).map_err(failed)
    })?;
    if done.blocks == 0 {
        let expected = "documents with text".to_owned();
        return Err(Error::Empty { path: path.into(), expected });
    }
    let mut header = Header {
        id_bytes,
        vocab_size: tokenizer.vocab_size() as u32,
        longest: longest as u32,
        blocks: done.blocks,
        documents: done.documents,
        tokens: done.tokens,
        tokenizer: tokenizer.fingerprint(),
        checksum: 0,
    };
    let unpadded = HEADER_BYTES + (done.tokens * u64::from(id_bytes)) as usize;
    file.write_all(&[0; 8][..header.tables_at() - unpadded]).map_err(failed)?;
    header.checksum = hash_bytes(FNV_OFFSET, &header.to_bytes()[..HEADER_BYTES - 8]);
    for start in block_starts.iter().chain(&document_starts) {
        let bytes = start.to_le_bytes();
        header.checksum = hash_bytes(header.checksum, &bytes);
        file.write_all(&bytes).map_err(failed)?;
    }
    file.seek(SeekFrom::Start(0)).map_err(failed)?;
    file.write_all(&header.to_bytes()).map_err(failed)?;
    Ok(done)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("a slice of 8 bytes"))
}

fn hash_bytes(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME))
}

fn wrong(path: &Path, expected: &str, found: &str) -> Error {
    Error::WrongFormat { path: path.into(), expected: expected.into(), found: found.into() }
}
