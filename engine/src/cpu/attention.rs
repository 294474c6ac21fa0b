//! Attention forward on the CPU: per item and head, tiles of scores that stay in cache between two products.

use rayon::prelude::*;

use super::attention_rows::{HIDDEN, Rows, by_head, product, zeros};
use super::exp::{exp_slice, max_slice};
use super::gemm::{Matrix, Onto};
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
            for block in rows.blocks() {
                let seen = rows.seen_by(part.0, block.end - 1);
                scratch.clear(block.len(), width);
                let Scratch { scores, mixed, softmax } = scratch;
                for tile in rows.tiles(seen) {
                    let count = tile.len();
                    scores.resize(block.len() * count, 0.0);
                    let q = rows.view(q, queries, part, block.clone());
                    let k = rows.view(k, keys, part, tile.clone()).transposed();
                    product(params.scale, q, k, Onto::Overwrite, (scores, count));
                    let states = scores.chunks_exact_mut(count).zip(mixed.chunks_exact_mut(width));
                    for ((i, of_row), (scores, mixed)) in
                        block.clone().zip(&mut *softmax).zip(states)
                    {
                        rows.hide(part.0, i, tile.start, scores);
                        of_row.weigh(scores, mixed);
                        rows.drop_out(part, i, tile.start, scores);
                    }
                    let weights = Matrix::rows(scores, [block.len(), count]);
                    let v = rows.view(v, keys, part, tile);
                    product(1.0, weights, v, Onto::Add, (mixed, width));
                }
                let states = softmax.iter().zip(mixed.chunks_exact(width));
                for (i, (of_row, mixed)) in block.zip(states) {
                    let (log_sum, scale) = of_row.finish();
                    lse[i] = log_sum;
                    for (y, mixed) in y[i].iter_mut().zip(mixed) {
                        *y = mixed * scale;
                    }
                }
            }
        },
    );
}

/// What is known of the softmax of a row after some tiles of its columns.
#[derive(Clone)]
struct Softmax {
    /// max s.
    peak: f32,
    /// Σ exp(s − peak), before dropout.
    total: f32,
}

impl Softmax {
    /// Of no column.
    const NONE: Self = Self { peak: HIDDEN, total: 0.0 };

    /// Turns the scores of a tile into exp(s − max), and what was mixed by former maxima into what it is by this one.
    fn weigh(&mut self, scores: &mut [f32], mixed: &mut [f32]) {
        let peak = max_slice(scores, self.peak);
        if peak == HIDDEN {
            return scores.fill(0.0);
        }
        if peak > self.peak && self.peak > HIDDEN {
            let factor = (self.peak - peak).exp();
            self.total *= factor;
            mixed.iter_mut().for_each(|mixed| *mixed *= factor);
        }
        self.peak = peak;
        self.total += exp_slice(scores, peak);
    }

    /// The log-sum-exp, and 1 / Σ. A row that saw nothing has weights 0 and gives 0.
    fn finish(&self) -> (f32, f32) {
        if self.peak == HIDDEN {
            return (1e30, 0.0);
        }
        (self.peak + self.total.ln(), 1.0 / self.total)
    }
}

/// What one thread reuses from block to block.
#[derive(Default)]
struct Scratch {
    /// Scores of a tile, then weights: [rows, columns].
    scores: Vec<f32>,
    /// Weights · v: [rows, D].
    mixed: Vec<f32>,
    /// Of each row.
    softmax: Vec<Softmax>,
}

impl Scratch {
    fn clear(&mut self, rows: usize, width: usize) {
        zeros(&mut self.mixed, rows * width);
        self.softmax.clear();
        self.softmax.resize(rows, Softmax::NONE);
    }
}
