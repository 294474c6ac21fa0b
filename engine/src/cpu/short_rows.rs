//! Rows of attention matrices with vector instructions: who sees what, softmax and dropout, and the way back.

use pulp::{Arch, Simd, WithSimd};

use super::drop_row::DropRow;
use super::exp::{exp_slice, max_slice};
use super::softmax_rows::HIDDEN;
use crate::reference::short_rows::Row;

/// Rows of a task at least: a row is a few hundred words.
pub(super) const TASK_ROWS: usize = 16;

/// Hides the columns from `seen` on and, where there are bits, those whose bit is not set.
pub(super) fn hide(scores: &mut [f32], seen: usize, bits: Option<&[u32]>) {
    scores[seen..].fill(HIDDEN);
    if let Some(words) = bits {
        Arch::new().dispatch(Hide { scores: &mut scores[..seen], words });
    }
}

struct Hide<'a> {
    scores: &'a mut [f32],
    words: &'a [u32],
}

impl WithSimd for Hide<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for (scores, word) in self.scores.chunks_mut(32).zip(self.words) {
            for (j, s) in scores.iter_mut().enumerate() {
                *s = if word >> j & 1 == 1 { *s } else { HIDDEN };
            }
        }
    }
}

/// `z·p` in the place of the scores; gives `L`, 10³⁰ in a row that sees nothing.
pub(super) fn forward(scores: &mut [f32], drop: Option<DropRow>) -> f32 {
    let peak = max_slice(scores, HIDDEN);
    if peak <= 0.5 * HIDDEN {
        scores.fill(0.0);
        return 1e30;
    }
    let total = exp_slice(scores, peak);
    scores.iter_mut().for_each(|p| *p /= total);
    drop_out(drop, scores);
    peak + total.ln()
}

/// From scores, their `L` and `⟨dy, v⟩`: `z·p`, and the gradient of the scores times `scale`. `p` is room for a row.
pub(super) fn backward(
    (log_sum, drop, scale): (f32, Option<DropRow>, f32),
    scores: &mut [f32],
    ds: &mut [f32],
    p: &mut [f32],
) {
    exp_slice(scores, log_sum);
    p.copy_from_slice(scores);
    drop_out(drop, scores);
    for (ds, &weight) in ds.iter_mut().zip(scores.iter()) {
        *ds *= weight;
    }
    let delta = sum(ds);
    for (ds, &p) in ds.iter_mut().zip(p.iter()) {
        *ds = scale * (*ds - p * delta);
    }
}

/// The dropout of a row, if there is any: of its threshold, its site, the number of the first row, and 1/(1 − probability).
pub(super) fn drop_row(
    ([threshold, site, first_row], keep_scale): ([u32; 3], f32),
    key: &[u32],
    row: &Row,
) -> Option<DropRow> {
    (threshold != 0).then(|| DropRow {
        key: [key[0], key[1]],
        row: (row.token as u32).wrapping_add(first_row),
        site,
        z: row.head as u32,
        threshold,
        keep_scale,
    })
}

fn drop_out(drop: Option<DropRow>, weights: &mut [f32]) {
    if let Some(drop) = drop {
        drop.apply(0, weights);
    }
}

/// Σ in sixteen partial sums, which vectors can hold.
fn sum(values: &[f32]) -> f32 {
    let mut sums = [0.0; 16];
    for values in values.chunks(16) {
        for (sum, value) in sums.iter_mut().zip(values) {
            *sum += value;
        }
    }
    sums.iter().sum()
}
