//! Late interaction: texts to one vector a token, and exact search among them, the corpus passing over the device in
//! pieces (Khattab & Zaharia 2020, arXiv:2004.12832).

use wgrad_engine::ops::{MaxSim, Pairs, RunningTopK, max_sim, top_k};
use wgrad_engine::weights::{Declarations, Weights};
use wgrad_engine::{Device, Tensor, no_grad};
use wgrad_models::{ColBert, Mode, Tokens, Uncounted, Visible};

use super::encode::Error;
use crate::checkpoint::ModelDirectory;
use crate::data::{Marking, Side, Tokenizer};

/// Vectors of the tokens of some texts.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenVectors {
    /// D.
    pub width: usize,
    /// `[Σ tokens, D]`, text by text.
    pub values: Vec<f32>,
    /// `[N + 1]`: text n has the rows from `offsets[n]` to `offsets[n + 1]`.
    pub offsets: Vec<usize>,
}

impl TokenVectors {
    /// N.
    pub fn texts(&self) -> usize {
        self.offsets.len() - 1
    }

    /// The numbers of text n.
    fn of(&self, n: usize) -> &[f32] {
        &self.values[self.offsets[n] * self.width..self.offsets[n + 1] * self.width]
    }

    fn tokens(&self, n: usize) -> usize {
        self.offsets[n + 1] - self.offsets[n]
    }
}

/// A model of late interaction that was read from a directory, with its tokenizer.
pub struct LateEncoder {
    /// The model.
    pub model: ColBert,
    /// How it marks texts, and how long they may be.
    pub marking: Marking,
    tokenizer: Tokenizer,
    weights: Weights,
}

impl LateEncoder {
    /// Reads the model of a directory; `None` if it is none of late interaction.
    ///
    /// # Errors
    /// [`Error`], naming the file.
    pub fn open(device: &Device, directory: &ModelDirectory) -> Result<Option<Self>, Error> {
        let Some(late) = directory.late_interaction()? else { return Ok(None) };
        let mut d = Declarations::default();
        let config = directory.config.clone();
        let (vocabulary, limit) = (config.vocab_size, config.max_position_embeddings);
        let model = ColBert::declare(&mut d, config, late.width, Uncounted::Hidden)
            .map_err(|reason| directory.wrong_config(reason))?;
        let mut weights = Weights::allocate(device, d, 0);
        directory.load_into(&mut weights)?;
        let tokenizer = Tokenizer::load(&directory.path)?;
        let marker = |name: &String| {
            let id = tokenizer.id_of(name).or_else(|| tokenizer.id_of(name.trim()));
            id.ok_or_else(|| {
                directory.wrong_config(format!("its marker `{name}` is not in the vocabulary"))
            })
        };
        let markers = [marker(&late.markers[0])?, marker(&late.markers[1])?];
        let lengths = late.lengths.map(|length| length.min(limit));
        let mut marking = Marking::new(&tokenizer, vocabulary, markers, lengths, &late.skipped);
        marking.attends = late.attends;
        Ok(Some(Self { model, marking, tokenizer, weights }))
    }

    /// The vectors of the tokens that count, text by text.
    ///
    /// # Errors
    /// As [`encode`].
    pub fn encode<S: AsRef<str> + Sync>(
        &self,
        texts: &[S],
        side: Side,
        batch_size: usize,
        done: impl FnMut(usize),
    ) -> Result<TokenVectors, Error> {
        let ids = self.tokenizer.encode_batch(side, texts, self.marking.lengths[side as usize]);
        let device = self.weights.device();
        encode(device, &self.model, &self.marking, (side, batch_size), &ids, done)
    }
}

/// The vectors of the tokens that count: all of a query, its `[MASK]`s too; of a document those that are no punctuation.
/// `ids` have their special tokens and are marked here; `done` hears how many are encoded.
///
/// # Errors
/// An id that the model has no row for.
pub fn encode(
    device: &Device,
    model: &ColBert,
    marking: &Marking,
    (side, batch_size): (Side, usize),
    ids: &[Vec<u32>],
    mut done: impl FnMut(usize),
) -> Result<TokenVectors, Error> {
    let width = model.width();
    let mut order: Vec<usize> = (0..ids.len()).collect();
    order.sort_by_key(|&at| std::cmp::Reverse(ids[at].len()));
    let mut found: Vec<Vec<f32>> = vec![Vec::new(); ids.len()];
    for (count, batch) in order.chunks(batch_size.max(1)).enumerate() {
        let rows: Vec<&[u32]> = batch.iter().map(|&at| ids[at].as_slice()).collect();
        let marked = marking.batch(side, &rows, |row| format!("text {}", batch[row]))?;
        let (text, visible) = (&marked.text, Visible::Lengths(&marked.text.lengths));
        let (shape, config) = ([text.rows, text.tokens], model.encoder.config());
        let tokens = Tokens::new(device, config, shape, &text.input_ids, None, visible)?;
        let (vectors, _) = no_grad(|| model.vectors(&tokens, &Mode::evaluation()));
        let vectors = vectors.to_f32();
        let rows = vectors.chunks_exact(text.tokens * width);
        for ((row, counted), &at) in rows.zip(marked.counted.chunks_exact(text.tokens)).zip(batch) {
            let kept = row.chunks_exact(width).zip(counted).filter(|(_, mark)| **mark != 0);
            found[at] = kept.flat_map(|(vector, _)| vector).copied().collect();
        }
        done((count * batch_size + batch.len()).min(ids.len()));
    }
    let mut offsets = vec![0];
    offsets.extend(found.iter().scan(0, |sum, vectors| {
        *sum += vectors.len() / width;
        Some(*sum)
    }));
    Ok(TokenVectors { width, values: found.concat(), offsets })
}

/// Numbers of one piece of the corpus at most: 16 Mi, 64 MiB.
const MOST_NUMBERS: usize = 1 << 24;
/// Queries scored together at most.
const MOST_QUERIES: usize = 256;
/// Passages of one piece at most, so that all scores of a piece fit.
const MOST_PASSAGES: usize = 16_384;

/// The `k` passages of highest score `Σ_i max_j ⟨q_i, p_j⟩` for every query, best first, ties to the lower index.
///
/// Both lie on the host. Passages pass over the device in pieces, each padded to its longest; no more than a piece of the
/// scores exists at once.
///
/// # Panics
/// If the widths differ, `k` is 0, or there is a query without tokens.
pub fn search(
    device: &Device,
    queries: &TokenVectors,
    passages: &TokenVectors,
    k: usize,
    mut done: impl FnMut(usize),
) -> Vec<Vec<(u32, f32)>> {
    assert!(k > 0, "search: k is 0, expected 1 or more");
    assert_eq!(queries.width, passages.width, "search: queries and passages differ in width");
    let pieces = pieces(passages);
    let mut results = Vec::with_capacity(queries.texts());
    for first in (0..queries.texts()).step_by(MOST_QUERIES) {
        let block = first..queries.texts().min(first + MOST_QUERIES);
        let rows = block.len();
        let (vectors, query_mask) = padded(device, queries, block);
        let mut best = RunningTopK::new(rows, k.min(passages.texts()));
        for piece in &pieces {
            let (documents, document_mask) = padded(device, passages, piece.clone());
            let options = MaxSim {
                pairs: Pairs::All,
                query_mask: Some(&query_mask),
                document_mask: Some(&document_mask),
            };
            let scores = no_grad(|| max_sim(&vectors, &documents, &options)); // [M, N]
            let (values, indices) = top_k(&scores, k.min(piece.len()));
            best.merge(piece.start as u32, &values.to_f32(), &indices.to_u32());
        }
        results.extend((0..rows).map(|row| {
            best.row(row).iter().map(|&(score, index)| (index, score)).collect::<Vec<_>>()
        }));
        done(results.len());
    }
    results
}

/// The corpus cut up where a piece, padded to its longest passage, would have too many numbers.
fn pieces(passages: &TokenVectors) -> Vec<std::ops::Range<usize>> {
    let mut pieces = Vec::new();
    let (mut first, mut longest) = (0, 0);
    for n in 0..passages.texts() {
        let tokens = longest.max(passages.tokens(n));
        let count = n - first + 1;
        let too_many = count * tokens * passages.width > MOST_NUMBERS || count > MOST_PASSAGES;
        if too_many && n > first {
            pieces.push(first..n);
            (first, longest) = (n, passages.tokens(n));
        } else {
            longest = tokens;
        }
    }
    if first < passages.texts() {
        pieces.push(first..passages.texts());
    }
    pieces
}

/// Some texts as `[N, T, D]` with zeros after their tokens, and u32 `[N, T]`: 1 at the tokens.
fn padded(
    device: &Device,
    vectors: &TokenVectors,
    texts: std::ops::Range<usize>,
) -> (Tensor, Tensor) {
    let longest = texts.clone().map(|n| vectors.tokens(n)).max().unwrap_or(0).max(1);
    let (rows, width) = (texts.len(), vectors.width);
    let mut values = vec![0.0; rows * longest * width];
    let mut mask = vec![0; rows * longest];
    for (row, n) in texts.enumerate() {
        let own = vectors.of(n);
        values[row * longest * width..][..own.len()].copy_from_slice(own);
        mask[row * longest..][..vectors.tokens(n)].fill(1);
    }
    let values = Tensor::f32(device, [rows, longest, width], &values);
    (values, Tensor::u32(device, [rows, longest], &mask))
}
