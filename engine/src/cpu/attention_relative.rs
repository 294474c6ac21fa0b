//! Relative attention forward on the CPU: per item and head, blocks of scores that stay in cache, beside products with the few
//! distances that the rows of a block meet.

use rayon::prelude::*;

use super::attention_rows::{HIDDEN, by_head, product, zeros};
use super::exp::{exp_slice, max_slice};
use super::gemm::{Matrix, Onto};
use super::relative_rows::{HeadColumns, HeadRows, Rows};
use crate::params::attention_relative::{Constants, Params};

/// As the twin: `y = (z ⊙ softmax(s))·v`, and the log-sum-exp of every row.
pub fn forward(
    params: &Params,
    _constants: &Constants,
    (q, k, v, table, biases, notes): (&[f32], &[f32], &[f32], &[f32], &[f32], &[f32]),
    (y, lse): (&mut [f32], &mut [f32]),
) {
    let rows = Rows::new(params, notes);
    let Rows { queries, keys, heads, width, .. } = rows;
    let (u, w) = biases.split_at(heads * width);
    let tables = HeadColumns::of_table(&rows, table);
    let parts = by_head(y, [queries, heads, width]);
    parts.into_par_iter().zip(lse.par_chunks_mut(queries)).enumerate().for_each_init(
        Scratch::default,
        |scratch, (part, (mut y, lse))| {
            let part = (part / heads, part % heads);
            let Scratch { of_k, of_v, biased, scores, distant, mixed, scales } = scratch;
            of_k.read(&rows, k, keys, part);
            of_v.read(&rows, v, keys, part);
            for block in rows.blocks(part.0) {
                let (count, seen, band) = (block.rows.len(), block.seen, block.band.len());
                zeros(mixed, count * width);
                scores.resize(count * seen, 0.0);
                distant.resize(count * band, 0.0);
                scales.resize(count, 0.0);
                if seen > 0 {
                    let to_keys = rows.biased((q, u), part, block.rows.clone(), biased);
                    let k = of_k.view(0..seen);
                    product(params.scale, to_keys, k, Onto::Overwrite, (scores, seen));
                    let to_table = rows.biased((q, w), part, block.rows.clone(), biased);
                    let table = tables[part.1].view(block.band.clone());
                    product(params.scale, to_table, table, Onto::Overwrite, (distant, band));
                }
                for (r, i) in block.rows.clone().enumerate() {
                    let scores = &mut scores[r * seen..][..seen];
                    let distant = &distant[r * band + rows.offset(part.0, i, &block)..][..seen];
                    rows.complete(part, i, scores, distant);
                    let total = weigh(&rows, part, i, scores, &mut lse[i]);
                    // A row that sees nothing has weights 0 and gives 0.
                    scales[r] = if total > 0.0 { 1.0 / total } else { 0.0 };
                }
                if seen > 0 {
                    let weights = Matrix::rows(scores, [count, seen]);
                    product(1.0, weights, of_v.view(0..seen), Onto::Overwrite, (mixed, width));
                }
                for ((y, mixed), scale) in
                    y[block.rows].iter_mut().zip(mixed.chunks_exact(width)).zip(scales.iter())
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

/// What one thread reuses from block to block, and its operands of one item and head.
#[derive(Default)]
struct Scratch {
    of_k: HeadColumns,
    of_v: HeadRows,
    /// q + u, then q + w: [rows, D].
    biased: Vec<f32>,
    /// Scores, then weights: [rows, seen].
    scores: Vec<f32>,
    /// (q + w)·rᵀ: [rows, band].
    distant: Vec<f32>,
    /// Weights · v: [rows, D].
    mixed: Vec<f32>,
    /// 1 / Σ of each row.
    scales: Vec<f32>,
}
