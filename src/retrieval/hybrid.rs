//! Texts to hybrid representations, and exact search by both of their parts.
//!
//! A passage keeps K entries of the vocabulary, a query all of them: what a query says of an entry counts where a passage
//! kept it, whatever its sign and rank in the query.

use std::path::Path;

use rayon::prelude::*;
use wgrad_engine::ops::{RunningTopK, Transpose, add, matmul, top_k};
use wgrad_engine::weights::{Declarations, Weights};
use wgrad_engine::{Device, Tensor, no_grad};
use wgrad_models::{Hybrid, Mode};

use super::encode::{Error, for_batches};
use crate::checkpoint::ModelDirectory;
use crate::data::{Side, Tokenizer};

/// A hybrid retriever that was read from a directory, with its tokenizer.
pub struct HybridEncoder {
    /// The model.
    pub model: Hybrid,
    /// Its tokenizer.
    pub tokenizer: Tokenizer,
    /// Tokens of the longest text that it was trained for, if its directory says so.
    pub max_length: Option<usize>,
    weights: Weights,
}

/// M queries.
#[derive(Clone, Debug, PartialEq)]
pub struct Queries {
    /// ĥ, `[M, D]`.
    pub dense: Vec<f32>,
    /// μ, `[M, V]`.
    pub words: Vec<f32>,
    /// D and V.
    pub widths: [usize; 2],
}

/// N passages.
#[derive(Clone, Debug, PartialEq)]
pub struct Passages {
    /// ĥ, `[N, D]`.
    pub dense: Vec<f32>,
    /// I, `[N, K]`: the entries that each keeps, that of the largest value first.
    pub indices: Vec<u32>,
    /// μ at I, `[N, K]`.
    pub values: Vec<f32>,
    /// D and K.
    pub widths: [usize; 2],
}

impl HybridEncoder {
    /// Reads a model directory; `None` if its representation is no hybrid.
    ///
    /// # Errors
    /// [`Error`], naming the file.
    pub fn open(device: &Device, dir: &Path) -> Result<Option<Self>, Error> {
        let directory = ModelDirectory::open(dir)?;
        let Some(options) = directory.hybrid()? else { return Ok(None) };
        let mut d = Declarations::default();
        let model = Hybrid::declare(&mut d, directory.config.clone(), options);
        let mut weights = Weights::allocate(device, d, 0);
        directory.load_whole(&mut weights)?;
        let (tokenizer, max_length) = (Tokenizer::load(dir)?, directory.max_length()?);
        Ok(Some(Self { model, tokenizer, max_length, weights }))
    }

    /// The texts as queries, in order.
    ///
    /// # Errors
    /// As [`queries`].
    pub fn queries<S: AsRef<str> + Sync>(
        &self,
        texts: &[S],
        max_length: usize,
        batch_size: usize,
        done: impl FnMut(usize),
    ) -> Result<Queries, Error> {
        let ids = self.tokenizer.encode_batch(Side::Query, texts, max_length);
        queries(self.weights.device(), &self.model, &ids, (self.pad(), batch_size), done)
    }

    /// The texts as passages, in order.
    ///
    /// # Errors
    /// As [`passages`].
    pub fn passages<S: AsRef<str> + Sync>(
        &self,
        texts: &[S],
        max_length: usize,
        batch_size: usize,
        done: impl FnMut(usize),
    ) -> Result<Passages, Error> {
        let ids = self.tokenizer.encode_batch(Side::Passage, texts, max_length);
        passages(self.weights.device(), &self.model, &ids, (self.pad(), batch_size), done)
    }

    fn pad(&self) -> u32 {
        self.tokenizer.special().pad
    }
}

/// The rows of `ids` (special tokens included) as queries, in order; `done` hears how many are encoded.
///
/// # Errors
/// An id that the model has no row for.
pub fn queries(
    device: &Device,
    model: &Hybrid,
    ids: &[Vec<u32>],
    batches: (u32, usize),
    done: impl FnMut(usize),
) -> Result<Queries, Error> {
    let widths = [model.options.width, model.bert.config.vocab_size];
    let (mut dense, mut words) = (room(ids, widths[0]), room(ids, widths[1]));
    for_batches(device, &model.bert.config, ids, batches, done, |tokens, at| {
        let (parts, _) = no_grad(|| model.forward(tokens, &Mode::evaluation()));
        scatter(&mut dense, &parts.dense.to_f32(), at);
        scatter(&mut words, &parts.words.to_f32(), at);
    })?;
    Ok(Queries { dense, words, widths })
}

/// The rows of `ids` as passages, in order.
///
/// # Errors
/// As [`queries`].
pub fn passages(
    device: &Device,
    model: &Hybrid,
    ids: &[Vec<u32>],
    batches: (u32, usize),
    done: impl FnMut(usize),
) -> Result<Passages, Error> {
    let widths = [model.options.width, model.kept()];
    let (mut dense, mut values) = (room(ids, widths[0]), room(ids, widths[1]));
    let mut indices = vec![0; values.len()];
    for_batches(device, &model.bert.config, ids, batches, done, |tokens, at| {
        let (parts, _) = no_grad(|| model.forward(tokens, &Mode::evaluation()));
        scatter(&mut dense, &parts.dense.to_f32(), at);
        let (kept, entries) = top_k(&parts.words.detach(), widths[1]);
        scatter(&mut values, &kept.to_f32(), at);
        scatter(&mut indices, &entries.to_u32(), at);
    })?;
    Ok(Passages { dense, indices, values, widths })
}

fn room(ids: &[Vec<u32>], width: usize) -> Vec<f32> {
    vec![0.0; ids.len() * width]
}

/// Puts the rows of a batch where its texts stand.
fn scatter<T: Copy>(all: &mut [T], batch: &[T], at: &[usize]) {
    let width = batch.len() / at.len().max(1);
    for (row, &at) in batch.chunks_exact(width).zip(at) {
        all[at * width..][..width].copy_from_slice(row);
    }
}

/// Scores of one piece at most: 4 Mi numbers, 16 MiB.
const MOST_SCORES: usize = 1 << 22;
/// Queries scored together: their words, entry by entry, are walked through for each passage and should stay in cache.
const MOST_QUERIES: usize = 128;

/// The `k` passages of highest score for every query, best first, ties to the lower index:
/// `⟨ĥ_q, ĥ_d⟩ + Σ_{v ∈ I_d} μ_qv·μ_dv`.
///
/// Exact: every passage is scored. No more than a piece of the scores exists at once. The dense part is a product on the
/// device; the sparse one is added up here, K multiply-adds a pair, in the order of I.
///
/// # Panics
/// If the dense widths differ, an index is no entry of the queries, or `k` is 0.
pub fn search(
    device: &Device,
    queries: &Queries,
    passages: &Passages,
    k: usize,
    mut done: impl FnMut(usize),
) -> Vec<Vec<(u32, f32)>> {
    let ([width, vocabulary], [dense, kept]) = (queries.widths, passages.widths);
    assert!(k > 0, "search: k is 0, expected 1 or more");
    assert_eq!(width, dense, "search: other dense widths");
    let total = passages.dense.len() / width;
    let mut results = Vec::with_capacity(queries.dense.len() / width);
    let blocks = queries.dense.chunks(MOST_QUERIES * width);
    for (block, words) in blocks.zip(queries.words.chunks(MOST_QUERIES * vocabulary)) {
        let rows = block.len() / width;
        let words = transposed(words, vocabulary); // [V, M]
        let block = Tensor::f32(device, [rows, width], block);
        let piece = (MOST_SCORES / rows).max(1);
        let mut best = RunningTopK::new(rows, k.min(total));
        for first in (0..total).step_by(piece) {
            let columns = piece.min(total - first);
            let entries = first * kept..(first + columns) * kept;
            let (indices, values) = (&passages.indices[entries.clone()], &passages.values[entries]);
            let mut sums = vec![0.0; columns * rows];
            let terms = indices.par_chunks(kept).zip(values.par_chunks(kept));
            sums.par_chunks_mut(rows).zip(terms).for_each(|(sums, (indices, values))| {
                for (&index, &value) in indices.iter().zip(values) {
                    let says = &words[index as usize * rows..][..rows];
                    sums.iter_mut().zip(says).for_each(|(sum, says)| *sum += says * value);
                }
            });
            let sparse = Tensor::f32(device, [rows, columns], &transposed(&sums, rows));
            let piece = &passages.dense[first * width..][..columns * width];
            let piece = Tensor::f32(device, [columns, width], piece);
            let scores = no_grad(|| add(&matmul(&block, &piece, Transpose::Right), &sparse));
            let (values, indices) = top_k(&scores, k.min(columns));
            best.merge(first as u32, &values.to_f32(), &indices.to_u32());
        }
        results.extend((0..rows).map(|row| {
            best.row(row).iter().map(|&(score, index)| (index, score)).collect::<Vec<_>>()
        }));
        done(results.len());
    }
    results
}

/// `[R, C]` as `[C, R]`.
fn transposed(x: &[f32], columns: usize) -> Vec<f32> {
    let rows = x.len() / columns;
    let mut y = vec![0.0; x.len()];
    y.par_chunks_mut(rows).enumerate().for_each(|(column, y)| {
        for (row, y) in y.iter_mut().enumerate() {
            *y = x[row * columns + column];
        }
    });
    y
}
