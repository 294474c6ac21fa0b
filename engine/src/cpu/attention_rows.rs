//! What both directions of attention on the CPU share: who sees what, whose weights are dropped, whose memory is whose.

use std::ops::Range;

use super::drop_row::DropRow;
use super::gemm::{Matrix, Onto, Threads, multiply};
use super::short_rows;
pub(super) use super::softmax_rows::HIDDEN;
use crate::params::attention::Params;

/// Columns whose bits are one word.
const WORD: usize = 32;

/// Rows and columns of a tile of scores: 128 KiB, of which backward holds two, beside the operands in a second-level cache.
const TILE: [usize; 2] = [128, 256];

/// The extents, masks and dropout of one call.
pub(super) struct Rows<'a> {
    pub(super) queries: usize,
    pub(super) keys: usize,
    pub(super) heads: usize,
    pub(super) width: usize,
    params: Params,
    lengths: &'a [u32],
    bits: &'a [u32],
    key: [u32; 2],
}

impl<'a> Rows<'a> {
    pub(super) fn new(params: &Params, lengths: &'a [u32], bits: &'a [u32], key: [u32; 2]) -> Self {
        Self {
            queries: params.queries as usize,
            keys: params.keys as usize,
            heads: params.heads as usize,
            width: params.width as usize,
            params: *params,
            lengths,
            bits,
            key,
        }
    }

    /// The rows, in blocks.
    pub(super) fn blocks(&self) -> impl Iterator<Item = Range<usize>> {
        ranges(self.queries, TILE[0])
    }

    /// The columns that a block sees, in tiles: a row's bits of one begin with a word.
    pub(super) fn tiles(&self, seen: usize) -> impl Iterator<Item = Range<usize>> {
        ranges(seen, TILE[1])
    }

    /// Length and causality leave columns 0 .. `seen_by(item, i)` to row `i`.
    pub(super) fn seen_by(&self, item: usize, i: usize) -> usize {
        let length = if self.params.has_lengths == 0 {
            self.keys
        } else {
            self.keys.min(self.lengths[item] as usize)
        };
        if self.params.causal == 0 {
            length
        } else {
            length.min((i + 1 + self.keys).saturating_sub(self.queries))
        }
    }

    /// Puts `HIDDEN` where row `i` does not see the column; `scores` begins at a column that a word begins with.
    pub(super) fn hide(&self, item: usize, i: usize, first: usize, scores: &mut [f32]) {
        let seen = self.seen_by(item, i).saturating_sub(first).min(scores.len());
        let words = self.keys.div_ceil(WORD);
        let row = (item * self.queries + i) * words + first / WORD;
        let bits = (self.params.has_bits != 0).then(|| &self.bits[row..]);
        short_rows::hide(scores, seen, bits);
    }

    /// Rows `rows` of one item and head out of `values: [B, length, A, D]`, as a matrix of D columns.
    pub(super) fn view<'v>(
        &self,
        values: &'v [f32],
        length: usize,
        (item, head): (usize, usize),
        rows: Range<usize>,
    ) -> Matrix<'v> {
        let first = ((item * length + rows.start) * self.heads + head) * self.width;
        Matrix::new(&values[first..], [rows.len(), self.width], [self.heads * self.width, 1])
    }

    /// Multiplies `values` of row `i`, from column `first`, by z: 0 where a weight is dropped, 1/(1 − probability)
    /// where it is kept.
    pub(super) fn drop_out(
        &self,
        (item, head): (usize, usize),
        i: usize,
        first: usize,
        values: &mut [f32],
    ) {
        if self.params.threshold == 0 {
            return;
        }
        let row = item as u32 * self.params.queries + i as u32;
        let drop = DropRow {
            key: self.key,
            row: row.wrapping_add(self.params.first_row),
            site: self.params.site,
            z: head as u32,
            threshold: self.params.threshold,
            keep_scale: self.params.keep_scale,
        };
        drop.apply(first, values);
    }
}

/// Takes `values: [B, N, A, D]` apart into the rows of each (item, head), N slices of D.
pub(super) fn by_head(
    values: &mut [f32],
    [rows, heads, width]: [usize; 3],
) -> Vec<Vec<&mut [f32]>> {
    let items = values.len().checked_div(rows * heads * width).unwrap_or(0);
    let mut parts: Vec<Vec<&mut [f32]>> = Vec::new();
    parts.resize_with(items * heads, || Vec::with_capacity(rows));
    for (at, row) in values.chunks_exact_mut(width).enumerate() {
        let (item, head) = (at / heads / rows, at % heads);
        parts[item * heads + head].push(row);
    }
    parts
}

/// α·a·b by this thread alone.
pub(super) fn product(
    alpha: f32,
    a: Matrix<'_>,
    b: Matrix<'_>,
    onto: Onto,
    c: (&mut [f32], usize),
) {
    multiply(alpha, a, b, onto, c, Threads::One);
}

/// 0 .. `length` in ranges of `step`.
fn ranges(length: usize, step: usize) -> impl Iterator<Item = Range<usize>> {
    (0..length).step_by(step).map(move |first| first..(first + step).min(length))
}

/// Makes of `values` so many zeros.
pub(super) fn zeros(values: &mut Vec<f32>, length: usize) {
    values.clear();
    values.resize(length, 0.0);
}

/// Copies dense `values` to the rows of one item and head.
pub(super) fn copy(rows: &mut [&mut [f32]], values: &[f32], width: usize) {
    for (row, values) in rows.iter_mut().zip(values.chunks_exact(width)) {
        row.copy_from_slice(values);
    }
}
