//! Attention forward on the CPU: per item and head, blocks of scores that stay in cache between two products.

use rayon::prelude::*;

use super::attention_rows::{HIDDEN, Rows, by_head};
use super::exp::{exp_slice, max_slice};
use super::gemm::{Matrix, Onto, Threads, multiply};
use crate::params::attention::{Constants, Params};

/// As the twin: `y = dropout(softmax(scale·q·kᵀ))·v`, and the log-sum-exp of every row.
pub fn forward(
    params: &Params,
    _constants: &Constants,
    (q, k, v, lengths, bits, key): (&[f32], &[f32], &[f32], &[u32], &[u32], &[u32]),
    (y, lse): (&mut [f32], &mut [f32]),
) {
    let rows = Rows::new(params, lengths, bits, [key[0], key[1]]);
    let Rows { queries, keys, heads, width, .. } = rows;
    let parts = by_head(y, [queries, heads, width]);
    parts.into_par_iter().zip(lse.par_chunks_mut(queries)).enumerate().for_each_init(
        Scratch::default,
        |scratch, (part, (mut y, lse))| {
            let part = (part / heads, part % heads);
            for first in (0..queries).step_by(rows.block()) {
                let block = first..(first + rows.block()).min(queries);
                let seen = rows.seen_by(part.0, block.end - 1);
                scratch.resize(block.len(), seen, width);
                let Scratch { scores, mixed, scales } = scratch;
                if seen > 0 {
                    let q = rows.view(q, queries, part, block.clone());
                    let k = rows.view(k, keys, part, 0..seen).transposed();
                    multiply(params.scale, q, k, Onto::Overwrite, (scores, seen), Threads::One);
                }
                for (r, i) in block.clone().enumerate() {
                    let scores = &mut scores[r * seen..][..seen];
                    let total = weigh(&rows, part, i, scores, &mut lse[i]);
                    // A row that sees nothing has weights 0 and gives 0.
                    scales[r] = if total > 0.0 { 1.0 / total } else { 0.0 };
                }
                mixed.fill(0.0);
                if seen > 0 {
                    let weights = Matrix::rows(scores, [block.len(), seen]);
                    let v = rows.view(v, keys, part, 0..seen);
                    multiply(1.0, weights, v, Onto::Overwrite, (mixed, width), Threads::One);
                }
                for ((y, mixed), scale) in
                    y[block].iter_mut().zip(mixed.chunks_exact(width)).zip(scales)
                {
                    for (y, mixed) in y.iter_mut().zip(mixed) {
                        *y = mixed * *scale;
                    }
                }
            }
        },
    );
}

/// Turns the scores of row `i` into z·exp(s − max), writes its log-sum-exp, and returns Σ exp(s − max) before dropout.
fn weigh(
    rows: &Rows<'_>,
    part: (usize, usize),
    i: usize,
    scores: &mut [f32],
    lse: &mut f32,
) -> f32 {
    rows.hide(part.0, i, scores);
    let peak = max_slice(scores, HIDDEN);
    if peak == HIDDEN {
        scores.fill(0.0);
        *lse = 1e30;
        return 0.0;
    }
    let total = exp_slice(scores, peak);
    *lse = peak + total.ln();
    rows.drop_out(part, i, scores);
    total
}

/// What one thread reuses from block to block.
#[derive(Default)]
struct Scratch {
    /// Scores, then weights: [rows, seen].
    scores: Vec<f32>,
    /// Weights · v: [rows, D].
    mixed: Vec<f32>,
    /// 1 / Σ of each row.
    scales: Vec<f32>,
}

impl Scratch {
    fn resize(&mut self, rows: usize, seen: usize, width: usize) {
        self.scores.resize(rows * seen, 0.0);
        self.mixed.resize(rows * width, 0.0);
        self.scales.resize(rows, 0.0);
    }
}
