//! What both directions of attention on the CPU share: who sees what, whose weights are dropped, whose memory is whose.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use super::gemm::Matrix;
use crate::params::attention::Params;

/// Scores below any real one; `exp_slice` turns them into 0.
pub(super) const HIDDEN: f32 = -1e30;

/// Scores held at once: 256 KiB, which leaves room for operands in a second-level cache.
const BLOCK_SCORES: usize = 64 * 1024;

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

    /// Rows of one block of scores: by the number of keys alone, so that no result depends on the machine.
    pub(super) fn block(&self) -> usize {
        (BLOCK_SCORES / self.keys.max(1)).clamp(16, 128)
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

    /// Puts `HIDDEN` where row `i` does not see the column; `scores` begins at column 0.
    pub(super) fn hide(&self, item: usize, i: usize, scores: &mut [f32]) {
        let seen = self.seen_by(item, i).min(scores.len());
        scores[seen..].fill(HIDDEN);
        if self.params.has_bits == 0 {
            return;
        }
        let words = self.keys.div_ceil(32);
        let row = &self.bits[(item * self.queries + i) * words..][..words];
        for (scores, word) in scores[..seen].chunks_mut(32).zip(row) {
            if *word == u32::MAX {
                continue;
            }
            for (j, score) in scores.iter_mut().enumerate() {
                if word >> j & 1 == 0 {
                    *score = HIDDEN;
                }
            }
        }
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

    /// Multiplies `values` of row `i`, from column 0, by z: 0 where a weight is dropped, 1/(1 − probability)
    /// where it is kept.
    pub(super) fn drop_out(&self, (item, head): (usize, usize), i: usize, values: &mut [f32]) {
        if self.params.threshold == 0 {
            return;
        }
        let row = item as u32 * self.params.queries + i as u32;
        Arch::new().dispatch(DropOut {
            row: row.wrapping_add(self.params.first_row),
            site: self.params.site,
            head: head as u32,
            key: self.key,
            threshold: self.params.threshold,
            keep_scale: self.params.keep_scale,
            values,
        });
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

/// Philox for a whole row, eight counters side by side.
struct DropOut<'a> {
    row: u32,
    site: u32,
    head: u32,
    key: [u32; 2],
    threshold: u32,
    keep_scale: f32,
    values: &'a mut [f32],
}

impl WithSimd for DropOut<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        const SIDE: usize = 8;
        for (block, values) in self.values.chunks_mut(4 * SIDE).enumerate() {
            let first = (block * SIDE) as u32;
            let mut words = [
                std::array::from_fn(|at| first + at as u32),
                [self.row; SIDE],
                [self.site; SIDE],
                [self.head; SIDE],
            ];
            let mut key = self.key;
            for _ in 0..10 {
                words = round(words, key);
                key = [key[0].wrapping_add(0x9E37_79B9), key[1].wrapping_add(0xBB67_AE85)];
            }
            for (at, value) in values.iter_mut().enumerate() {
                let word = words[at % 4][at / 4];
                *value *= if word < self.threshold { 0.0 } else { self.keep_scale };
            }
        }
    }
}

/// One round of [`philox`](crate::random::philox) on N counters at once: `words[w][n]` is word w of counter n.
#[inline(always)]
fn round<const N: usize>(words: [[u32; N]; 4], key: [u32; 2]) -> [[u32; N]; 4] {
    let mut next = [[0; N]; 4];
    for n in 0..N {
        let low = u64::from(words[0][n]) * 0xD251_1F53;
        let high = u64::from(words[2][n]) * 0xCD9E_8D57;
        next[0][n] = (high >> 32) as u32 ^ words[1][n] ^ key[0];
        next[1][n] = high as u32;
        next[2][n] = (low >> 32) as u32 ^ words[3][n] ^ key[1];
        next[3][n] = low as u32;
    }
    next
}
