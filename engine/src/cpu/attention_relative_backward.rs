//! Relative attention backward on the CPU: all gradients of an item and head in one walk, eight products a block.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::attention_backward::Deltas;
use super::attention_backward_fused::ThroughSoftmax;
use super::attention_rows::{by_head, copy, product, zeros};
use super::exp::exp_slice;
use super::gemm::{Matrix, Onto};
use super::relative_rows::{HeadColumns, HeadRows, Rows};
use crate::params::attention_relative_backward::{Constants, Params};
use crate::reference::attention_relative::Layout;

/// Distances whose part of dw is summed together.
const TILE_DISTANCES: usize = 64;

/// As the twin, with `Δ_i = ⟨dy_i, y_i⟩` of every item and head in parallel.
pub fn backward_notes(
    params: &Params,
    _constants: &Constants,
    (biases, packed, y, dy, lse): (&[f32], &[f32], &[f32], &[f32], &[f32]),
    repacked: &mut [f32],
) {
    let layout = Layout::of(&bytemuck::cast(*params));
    let [queries, heads, width] = [params.queries, params.heads, params.width].map(|n| n as usize);
    repacked[..layout.biases].copy_from_slice(&packed[..layout.biases]);
    repacked[layout.biases..layout.lse].copy_from_slice(biases);
    repacked[layout.lse..layout.delta].copy_from_slice(lse);
    let delta = &mut repacked[layout.delta..];
    delta.par_chunks_mut(queries).enumerate().for_each(|(part, delta)| {
        let first = (part / heads * queries * heads + part % heads) * width;
        let (y, dy) = (&y[first..], &dy[first..]);
        Arch::new().dispatch(Deltas { y, dy, width, stride: heads * width, delta });
    });
}

/// As the twin: dq, σ, dk, dv, the table's gradient of each item, and the bias's of each item and 64 distances.
pub fn backward(
    params: &Params,
    _constants: &Constants,
    (q, k, v, table, dy, notes): (&[f32], &[f32], &[f32], &[f32], &[f32], &[f32]),
    (dq, sigma, dk, dv, dtable, dbias): (
        &mut [f32],
        &mut [f32],
        &mut [f32],
        &mut [f32],
        &mut [f32],
        &mut [f32],
    ),
) {
    let rows = Rows::new(&bytemuck::cast(*params), notes);
    let Rows { queries, keys, heads, width, distances, .. } = rows;
    let reads = Reads { q, dy, biases: &notes[rows.layout.biases..], notes };
    let tiles = distances.div_ceil(TILE_DISTANCES);
    let (table_columns, table_rows) =
        rayon::join(|| HeadColumns::of_table(&rows, table), || HeadRows::of_table(&rows, table));
    let of_queries = by_head(dq, [queries, heads, width]);
    let parts = of_queries
        .into_par_iter()
        .zip(by_head(sigma, [queries, heads, 1]))
        .zip(by_head(dk, [keys, heads, width]))
        .zip(by_head(dv, [keys, heads, width]))
        .zip(by_head(dtable, [distances, heads, width]))
        .zip(by_head(dbias, [tiles, heads, width]));
    parts.enumerate().for_each_init(
        <(Operands, Sums, Room)>::default,
        |(operands, sums, room), (part, (((((dq, sigma), mut dk), mut dv), mut dtable), dbias))| {
            let part = (part / heads, part % heads);
            operands.read(&rows, k, v, part);
            let tables = (&table_columns[part.1], &table_rows[part.1]);
            sums.clear(&rows);
            walk(&rows, params.scale, &reads, (operands, tables), part, (sums, room), (dq, sigma));
            copy(&mut dk, &sums.dk, width);
            copy(&mut dv, &sums.dv, width);
            copy(&mut dtable, &sums.dtable, width);
            for (tile, dbias) in dbias.into_iter().enumerate() {
                dbias.fill(0.0);
                let first = tile * TILE_DISTANCES;
                for n in first..(first + TILE_DISTANCES).min(distances) {
                    let r = tables.1.row(n);
                    dbias.iter_mut().zip(r).for_each(|(dbias, r)| *dbias += sums.totals[n] * r);
                }
            }
        },
    );
}

/// Writes dq and σ of an item and head, and adds to the other sums.
fn walk(
    rows: &Rows<'_>,
    scale: f32,
    reads: &Reads<'_>,
    (operands, (table_columns, table_rows)): (&Operands, (&HeadColumns, &HeadRows)),
    part: (usize, usize),
    (sums, room): (&mut Sums, &mut Room),
    (mut dq, mut sigma): (Vec<&mut [f32]>, Vec<&mut [f32]>),
) {
    let Rows { queries, heads, width, .. } = *rows;
    let Operands { k_columns, k_rows, v_columns } = operands;
    let Room { to_keys, to_table, weights, ds, distant, scales, dq: dq_block } = room;
    let (u, w) = reads.biases.split_at(heads * width);
    let note = (part.0 * heads + part.1) * queries;
    let [lse, delta] = [rows.layout.lse, rows.layout.delta].map(|at| &reads.notes[at + note..]);
    for block in rows.blocks(part.0) {
        let (count, seen, band) = (block.rows.len(), block.seen, block.band.len());
        zeros(dq_block, count * width);
        if seen == 0 {
            copy(&mut dq[block.rows.clone()], dq_block, width);
            sigma[block.rows].iter_mut().for_each(|sigma| sigma.fill(0.0));
            continue;
        }
        weights.resize(count * seen, 0.0);
        ds.resize(count * seen, 0.0);
        distant.resize(count * band, 0.0);
        let to_keys = rows.biased((reads.q, u), part, block.rows.clone(), to_keys);
        let to_table = rows.biased((reads.q, w), part, block.rows.clone(), to_table);
        let dy = rows.view(reads.dy, queries, part, block.rows.clone());
        let (k, v) = (k_columns.view(0..seen), v_columns.view(0..seen));
        product(scale, to_keys, k, Onto::Overwrite, (weights, seen));
        let table = table_columns.view(block.band.clone());
        product(scale, to_table, table, Onto::Overwrite, (distant, band));
        product(scale, dy, v, Onto::Overwrite, (ds, seen));
        for (r, i) in block.rows.clone().enumerate() {
            let weights = &mut weights[r * seen..][..seen];
            let ds = &mut ds[r * seen..][..seen];
            let distant = &mut distant[r * band..][..band];
            let offset = rows.offset(part.0, i, &block);
            rows.complete(part, i, weights, &distant[offset..]);
            exp_slice(weights, lse[i]);
            scales.clear();
            scales.resize(seen, 1.0);
            rows.drop_out(part, i, scales);
            let delta = scale * delta[i];
            Arch::new().dispatch(ThroughSoftmax { scales, delta, weights, ds });
            sigma[i][0] = rows.sum_of_others(part.0, i, ds);
            Arch::new()
                .dispatch(Add { values: ds, onto: &mut sums.totals[block.band.start + offset..] });
            distant[..offset].fill(0.0);
            distant[offset..][..seen].copy_from_slice(ds);
            distant[offset + seen..].fill(0.0);
        }
        let weights = Matrix::rows(weights, [count, seen]);
        let ds = Matrix::rows(ds, [count, seen]);
        let distant = Matrix::rows(distant, [count, band]);
        let dtable = &mut sums.dtable[block.band.start * width..];
        product(1.0, weights.transposed(), dy, Onto::Add, (&mut sums.dv, width));
        product(1.0, ds.transposed(), to_keys, Onto::Add, (&mut sums.dk, width));
        product(1.0, distant.transposed(), to_table, Onto::Add, (dtable, width));
        product(1.0, ds, k_rows.view(0..seen), Onto::Overwrite, (dq_block, width));
        product(1.0, distant, table_rows.view(block.band), Onto::Add, (dq_block, width));
        copy(&mut dq[block.rows], dq_block, width);
    }
}

/// What every item and head reads of its own.
struct Reads<'a> {
    q: &'a [f32],
    dy: &'a [f32],
    /// [2, A, D] and more: u and w.
    biases: &'a [f32],
    notes: &'a [f32],
}

/// Those of one item and head.
#[derive(Default)]
struct Operands {
    k_columns: HeadColumns,
    k_rows: HeadRows,
    v_columns: HeadColumns,
}

impl Operands {
    fn read(&mut self, rows: &Rows<'_>, k: &[f32], v: &[f32], part: (usize, usize)) {
        self.k_columns.read(rows, k, rows.keys, part);
        self.k_rows.read(rows, k, rows.keys, part);
        self.v_columns.read(rows, v, rows.keys, part);
    }
}

/// Over the blocks of one item and head.
#[derive(Default)]
struct Sums {
    /// [S, D].
    dk: Vec<f32>,
    /// [S, D].
    dv: Vec<f32>,
    /// [Q + S, D].
    dtable: Vec<f32>,
    /// [Q + S]: Σ G of every distance.
    totals: Vec<f32>,
}

impl Sums {
    fn clear(&mut self, rows: &Rows<'_>) {
        zeros(&mut self.dk, rows.keys * rows.width);
        zeros(&mut self.dv, rows.keys * rows.width);
        zeros(&mut self.dtable, rows.distances * rows.width);
        zeros(&mut self.totals, rows.distances);
    }
}

/// What one thread reuses from block to block.
#[derive(Default)]
struct Room {
    /// q + u: [rows, D].
    to_keys: Vec<f32>,
    /// q + w: [rows, D].
    to_table: Vec<f32>,
    /// Scores, then p, then z·p: [rows, seen].
    weights: Vec<f32>,
    /// dy·vᵀ, then G: [rows, seen].
    ds: Vec<f32>,
    /// (q + w)·rᵀ, then G by distance: [rows, band].
    distant: Vec<f32>,
    /// z of one row.
    scales: Vec<f32>,
    /// [rows, D].
    dq: Vec<f32>,
}

struct Add<'a> {
    values: &'a [f32],
    onto: &'a mut [f32],
}

impl WithSimd for Add<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for (onto, value) in self.onto.iter_mut().zip(self.values) {
            *onto += value;
        }
    }
}
