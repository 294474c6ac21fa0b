//! What both directions of relative attention on the CPU share: who sees what at which distance, whose weights are dropped,
//! and each head's operands laid out for its products.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::attention_rows::HIDDEN;
use super::drop_row::DropRow;
use super::gemm::Matrix;
use crate::params::attention_relative::Params;
use crate::reference::attention_relative::Layout;

/// Columns of a word of bits.
const WORD: usize = 32;

/// The extents, masks, distances and dropout of one call.
pub(super) struct Rows<'a> {
    pub(super) queries: usize,
    pub(super) keys: usize,
    pub(super) heads: usize,
    pub(super) width: usize,
    pub(super) distances: usize,
    /// Where the parts of `notes` begin.
    pub(super) layout: Layout,
    params: Params,
    notes: &'a [f32],
    key: [u32; 2],
}

/// Query rows of one item whose scores are made together.
pub(super) struct Block {
    pub(super) rows: Range<usize>,
    /// No row sees a column from here on.
    pub(super) seen: usize,
    /// The distances that any row meets at a column below `seen`.
    pub(super) band: Range<usize>,
}

impl<'a> Rows<'a> {
    pub(super) fn new(params: &Params, notes: &'a [f32]) -> Self {
        Self {
            queries: params.queries as usize,
            keys: params.keys as usize,
            heads: params.heads as usize,
            width: params.width as usize,
            distances: params.distances as usize,
            layout: Layout::of(params),
            params: *params,
            notes,
            key: [word(&notes[..2]), word(&notes[2..])],
        }
    }

    /// The blocks of an item. A block of R consecutive tokens meets R − 1 distances more than it sees columns, so R is a share
    /// of the keys: of 16 to 64 rows a quarter is as fast as any. It depends on their number alone, so that no result
    /// depends on the machine.
    pub(super) fn blocks(&self, item: usize) -> impl Iterator<Item = Block> {
        let size = (self.keys / 4).clamp(16, 64);
        (0..self.queries).step_by(size).map(move |start| {
            let rows = start..(start + size).min(self.queries);
            let seen = rows.clone().map(|i| self.note(item, i, 0)).max().unwrap_or(0);
            let firsts = rows.clone().map(|i| self.note(item, i, 1));
            let first = firsts.clone().min().unwrap_or(0);
            let last = firsts.max().unwrap_or(0);
            Block { rows, seen, band: first..last + seen }
        })
    }

    /// How far into the band of its block row `i` finds the distance of column 0.
    pub(super) fn offset(&self, item: usize, i: usize, block: &Block) -> usize {
        self.note(item, i, 1) - block.band.start
    }

    /// The scores of row `i`, so far its products with keys, are completed by those with distances and by `scale·e·g`, and
    /// hidden where the row does not see the column; both slices begin at column 0.
    pub(super) fn complete(
        &self,
        (item, head): (usize, usize),
        i: usize,
        scores: &mut [f32],
        distant: &[f32],
    ) {
        let query = item * self.queries + i;
        let slope = self.params.scale * self.notes[self.layout.slopes + query * self.heads + head];
        Arch::new().dispatch(Complete { bits: self.bits(item, i), slope, scores, distant });
    }

    /// `Σ_j values_j·g_ij`, from column 0.
    pub(super) fn sum_of_others(&self, item: usize, i: usize, values: &[f32]) -> f32 {
        if self.params.has_segments == 0 {
            return 0.0;
        }
        Arch::new().dispatch(SumOfOthers { bits: self.bits(item, i), values })
    }

    /// Multiplies `values` of row `i`, from column 0, by z: 0 where a weight is dropped, 1/(1 − probability)
    /// where it is kept.
    pub(super) fn drop_out(&self, (item, head): (usize, usize), i: usize, values: &mut [f32]) {
        if self.params.threshold == 0 {
            return;
        }
        let row = (item * self.queries + i) as u32;
        let drop = DropRow {
            key: self.key,
            row: row.wrapping_add(self.params.first_row),
            site: self.params.site,
            z: head as u32,
            threshold: self.params.threshold,
            keep_scale: self.params.keep_scale,
        };
        drop.apply(0, values);
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

    /// `q + bias` of a block: [rows, D].
    pub(super) fn biased<'v>(
        &self,
        (q, bias): (&[f32], &[f32]),
        (item, head): (usize, usize),
        rows: Range<usize>,
        room: &'v mut Vec<f32>,
    ) -> Matrix<'v> {
        let size = [rows.len(), self.width];
        let bias = &bias[head * self.width..][..self.width];
        room.clear();
        for i in rows {
            let start = ((item * self.queries + i) * self.heads + head) * self.width;
            room.extend(q[start..][..self.width].iter().zip(bias).map(|(q, bias)| q + bias));
        }
        Matrix::rows(room, size)
    }

    /// Of row `i`: how many columns it sees by length and causality, or its distance at column 0.
    fn note(&self, item: usize, i: usize, which: usize) -> usize {
        self.notes[self.layout.rows + 2 * (item * self.queries + i) + which] as usize
    }

    /// Four halves a word of columns: of what row `i` sees, and of what is of other segments.
    fn bits(&self, item: usize, i: usize) -> &'a [f32] {
        let length = 4 * self.keys.div_ceil(WORD);
        &self.notes[self.layout.bits + (item * self.queries + i) * length..][..length]
    }
}

/// The rows of one item and head, copied once from among those of all heads: every block reads them again.
#[derive(Default)]
pub(super) struct HeadRows {
    /// [N, D].
    values: Vec<f32>,
    width: usize,
}

impl HeadRows {
    /// Reads `values: [B, length, A, D]`.
    pub(super) fn read(
        &mut self,
        rows: &Rows<'_>,
        values: &[f32],
        length: usize,
        (item, head): (usize, usize),
    ) {
        self.width = rows.width;
        self.values.clear();
        for row in item * length..(item + 1) * length {
            let start = (row * rows.heads + head) * rows.width;
            self.values.extend_from_slice(&values[start..][..rows.width]);
        }
    }

    /// Of every head: the table, `[Q + S, A, D]`, which all items read.
    pub(super) fn of_table(rows: &Rows<'_>, table: &[f32]) -> Vec<Self> {
        let of_head = |head| {
            let mut columns = Self::default();
            columns.read(rows, table, rows.distances, (0, head));
            columns
        };
        (0..rows.heads).into_par_iter().map(of_head).collect()
    }

    /// [range, D].
    pub(super) fn view(&self, range: Range<usize>) -> Matrix<'_> {
        Matrix::rows(&self.values[range.start * self.width..], [range.len(), self.width])
    }

    /// One row.
    pub(super) fn row(&self, at: usize) -> &[f32] {
        &self.values[at * self.width..][..self.width]
    }
}

/// The same transposed, so that no product has to transpose its right side once a block.
#[derive(Default)]
pub(super) struct HeadColumns {
    /// [D, N], rows `stride` apart.
    values: Vec<f32>,
    stride: usize,
    width: usize,
}

impl HeadColumns {
    /// Reads `values: [B, length, A, D]`.
    pub(super) fn read(
        &mut self,
        rows: &Rows<'_>,
        values: &[f32],
        length: usize,
        (item, head): (usize, usize),
    ) {
        // An odd number of cache lines, so that the rows of a column fall into different sets.
        self.stride = length.next_multiple_of(2 * LINE) + LINE;
        self.width = rows.width;
        self.values.resize(self.width * self.stride, 0.0);
        let row_stride = rows.heads * rows.width;
        let values = &values[item * length * row_stride + head * rows.width..];
        for first in (0..length).step_by(LINE) {
            let count = LINE.min(length - first);
            // Four channels of a line of rows at a time: D is a multiple of four.
            for (quad, columns) in self.values.chunks_exact_mut(4 * self.stride).enumerate() {
                let mut tile = [[0.0; 4]; LINE];
                for (r, tile) in tile[..count].iter_mut().enumerate() {
                    tile.copy_from_slice(&values[(first + r) * row_stride + 4 * quad..][..4]);
                }
                for (c, column) in columns.chunks_exact_mut(self.stride).enumerate() {
                    // What lies past the last row is never read.
                    let line: &mut [f32; LINE] = column[first..].first_chunk_mut().expect("padded");
                    *line = std::array::from_fn(|r| tile[r][c]);
                }
            }
        }
    }

    /// Of every head: the table, `[Q + S, A, D]`, which all items read.
    pub(super) fn of_table(rows: &Rows<'_>, table: &[f32]) -> Vec<Self> {
        let of_head = |head| {
            let mut columns = Self::default();
            columns.read(rows, table, rows.distances, (0, head));
            columns
        };
        (0..rows.heads).into_par_iter().map(of_head).collect()
    }

    /// [D, range].
    pub(super) fn view(&self, range: Range<usize>) -> Matrix<'_> {
        let size = [self.width, range.len()];
        Matrix::new(&self.values[range.start..], size, [self.stride, 1])
    }
}

/// Floats of a cache line.
const LINE: usize = 16;

/// A word of bits from its halves.
#[inline(always)]
fn word(halves: &[f32]) -> u32 {
    halves[0] as u32 | (halves[1] as u32) << 16
}

/// A word whose lowest `columns` bits are set.
#[inline(always)]
fn all(columns: usize) -> u32 {
    u32::MAX >> (WORD - columns)
}

struct Complete<'a> {
    bits: &'a [f32],
    /// scale·e.
    slope: f32,
    scores: &'a mut [f32],
    distant: &'a [f32],
}

impl WithSimd for Complete<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let (words, rest) = self.scores.as_chunks_mut::<WORD>();
        let (distant, distant_rest) = self.distant.split_at(WORD * words.len());
        let mut bits = self.bits.chunks_exact(4);
        for ((scores, distant), bits) in
            words.iter_mut().zip(distant.chunks_exact(WORD)).zip(&mut bits)
        {
            complete_word(scores, distant, bits, self.slope);
        }
        if let (false, Some(bits)) = (rest.is_empty(), bits.next()) {
            complete_word(rest, distant_rest, bits, self.slope);
        }
    }
}

#[inline(always)]
fn complete_word(scores: &mut [f32], distant: &[f32], bits: &[f32], slope: f32) {
    for (score, distant) in scores.iter_mut().zip(distant) {
        *score += distant;
    }
    let (seen, other) = (word(&bits[..2]), word(&bits[2..]));
    if other != 0 {
        for (j, score) in scores.iter_mut().enumerate() {
            *score += if other >> j & 1 == 1 { slope } else { 0.0 };
        }
    }
    if seen & all(scores.len()) != all(scores.len()) {
        for (j, score) in scores.iter_mut().enumerate() {
            *score = if seen >> j & 1 == 1 { *score } else { HIDDEN };
        }
    }
}

struct SumOfOthers<'a> {
    bits: &'a [f32],
    values: &'a [f32],
}

impl WithSimd for SumOfOthers<'_> {
    type Output = f32;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> f32 {
        // Side by side, which fills registers; the order depends on the row alone.
        let mut sums = [0.0; WORD];
        for (values, bits) in self.values.chunks(WORD).zip(self.bits.chunks_exact(4)) {
            let other = word(&bits[2..]);
            if other == 0 {
                continue;
            }
            for (j, (sum, value)) in sums.iter_mut().zip(values).enumerate() {
                *sum += if other >> j & 1 == 1 { *value } else { 0.0 };
            }
        }
        sums.iter().sum()
    }
}
