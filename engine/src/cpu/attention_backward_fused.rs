//! Attention backward on the CPU: all three gradients of an item and head in one walk, five products a tile.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::attention_rows::{Rows, by_head, copy, product, zeros};
use super::exp::exp_slice;
use super::gemm::{Matrix, Onto};
use crate::params::attention_backward_fused::{Constants, Params};

/// As the twin: `ds = p ⊙ (z ⊙ dy·vᵀ − Δ)`, `dq = scale·ds·k`, `dk = scale·dsᵀ·q`, `dv = (z ⊙ p)ᵀ·dy`.
pub fn backward(
    params: &Params,
    _constants: &Constants,
    (q, k, v, dy, notes): (&[f32], &[f32], &[f32], &[f32], &[f32]),
    (dq, dk, dv): (&mut [f32], &mut [f32], &mut [f32]),
) {
    let notes = Notes::read(params, notes);
    let rows = Rows::new(&bytemuck::cast(*params), &notes.lengths, &notes.bits, notes.key);
    let Rows { queries, keys, heads, width, .. } = rows;
    let of_queries = by_head(dq, [queries, heads, width]);
    let of_keys = by_head(dk, [keys, heads, width]);
    let of_values = by_head(dv, [keys, heads, width]);
    let parts = of_queries.into_par_iter().zip(of_keys).zip(of_values).enumerate();
    parts.for_each_init(Scratch::default, |scratch, (part, ((mut dq, mut dk), mut dv))| {
        let lse = &notes.lse[part * queries..][..queries];
        let delta = &notes.delta[part * queries..][..queries];
        let part = (part / heads, part % heads);
        let Scratch { weights, ds, scales, dq: dq_block, dk: dk_sum, dv: dv_sum } = scratch;
        zeros(dk_sum, keys * width);
        zeros(dv_sum, keys * width);
        for block in rows.blocks() {
            let rows_of = |values| rows.view(values, queries, part, block.clone());
            let (q, dy) = (rows_of(q), rows_of(dy));
            zeros(dq_block, block.len() * width);
            for tile in rows.tiles(rows.seen_by(part.0, block.end - 1)) {
                let count = tile.len();
                weights.resize(block.len() * count, 0.0);
                ds.resize(block.len() * count, 0.0);
                let columns_of = |values| rows.view(values, keys, part, tile.clone());
                let (k, v) = (columns_of(k), columns_of(v));
                product(params.scale, q, k.transposed(), Onto::Overwrite, (weights, count));
                product(1.0, dy, v.transposed(), Onto::Overwrite, (ds, count));
                let of_rows = weights.chunks_exact_mut(count).zip(ds.chunks_exact_mut(count));
                for (i, (weights, ds)) in block.clone().zip(of_rows) {
                    rows.hide(part.0, i, tile.start, weights);
                    exp_slice(weights, lse[i]);
                    scales.clear();
                    scales.resize(count, 1.0);
                    rows.drop_out(part, i, tile.start, scales);
                    Arch::new().dispatch(ThroughSoftmax { scales, delta: delta[i], weights, ds });
                }
                let weights = Matrix::rows(weights, [block.len(), count]);
                let ds = Matrix::rows(ds, [block.len(), count]);
                let (dk, dv) =
                    (&mut dk_sum[tile.start * width..], &mut dv_sum[tile.start * width..]);
                product(1.0, weights.transposed(), dy, Onto::Add, (dv, width));
                product(params.scale, ds.transposed(), q, Onto::Add, (dk, width));
                product(params.scale, ds, k, Onto::Add, (dq_block, width));
            }
            copy(&mut dq[block], dq_block, width);
        }
        copy(&mut dk, dk_sum, width);
        copy(&mut dv, dv_sum, width);
    });
}

/// Of one row: `ds`, so far ⟨dy, v⟩, becomes `p·(z·ds − Δ)`; `weights`, so far p, becomes `z·p`.
pub(super) struct ThroughSoftmax<'a> {
    /// z.
    pub(super) scales: &'a [f32],
    pub(super) delta: f32,
    pub(super) weights: &'a mut [f32],
    pub(super) ds: &'a mut [f32],
}

impl WithSimd for ThroughSoftmax<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for ((ds, weight), z) in self.ds.iter_mut().zip(self.weights).zip(self.scales) {
            *ds = *weight * (z * *ds - self.delta);
            *weight *= z;
        }
    }
}

/// `notes` of `shaders/attention_backward.wgsl`, taken apart.
struct Notes<'a> {
    key: [u32; 2],
    lengths: Vec<u32>,
    /// [B, A, T].
    lse: &'a [f32],
    /// [B, A, T].
    delta: &'a [f32],
    bits: Vec<u32>,
}

impl<'a> Notes<'a> {
    fn read(params: &Params, notes: &'a [f32]) -> Self {
        let batch = params.batch as usize;
        let rows = batch * params.heads as usize * params.queries as usize;
        let words = |halves: &[f32]| {
            let word = |pair: &[f32]| pair[0] as u32 | (pair[1] as u32) << 16;
            halves.chunks_exact(2).map(word).collect::<Vec<u32>>()
        };
        let (key, rest) = notes.split_at(4);
        let (lengths, rest) = rest.split_at(batch);
        let (lse, rest) = rest.split_at(rows);
        let (delta, bits) = rest.split_at(rows);
        let key = words(key);
        Self {
            key: [key[0], key[1]],
            lengths: lengths.iter().map(|&length| length as u32).collect(),
            lse,
            delta,
            bits: if params.has_bits != 0 { words(bits) } else { Vec::new() },
        }
    }
}

/// What one thread reuses from block to block.
#[derive(Default)]
struct Scratch {
    /// Scores, then p, then z·p: [rows, columns].
    weights: Vec<f32>,
    /// dy·vᵀ, then ds: [rows, columns].
    ds: Vec<f32>,
    /// z of one row.
    scales: Vec<f32>,
    /// [rows, D].
    dq: Vec<f32>,
    /// [S, D].
    dk: Vec<f32>,
    /// [S, D].
    dv: Vec<f32>,
}
