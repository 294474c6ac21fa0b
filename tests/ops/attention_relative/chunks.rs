//! The chunks of emulated GPUs by their twins: some heads, items and queries at a time, with plain products before and after.

use wgrad_engine::params::{attention_relative as forward, attention_relative_backward as walks};
use wgrad_engine::reference::{attention_relative as twin, attention_relative_backward as back};
use wgrad_engine::testing::wide;

use super::problem::Problem;
use super::twins::Twins;

impl Problem {
    /// y and L, then dq, σ, dk, dv, and dr summed over items, in chunks of so many heads, items and queries.
    pub fn by_chunks(
        &self,
        inputs: &[Vec<f64>; 8],
        twins: &Twins,
        some: [usize; 3],
    ) -> [Vec<f64>; 7] {
        let [batch, _, _, heads, _] = self.case.extents;
        let [q, k, _, r, ..] = inputs;
        let nan = |n: usize| vec![f64::NAN; n];
        let [mut y, mut lse, mut sigma] = [q.len(), twins.lse.len(), twins.lse.len()].map(nan);
        let [mut dq, mut dk, mut dv, mut dr] = [q, k, k, r].map(|x| vec![0.0; x.len()]);
        for first_head in (0..heads).step_by(some[0]) {
            for first_item in (0..batch).step_by(some[1]) {
                let params = forward::Params {
                    first_head: first_head as u32,
                    first_item: first_item as u32,
                    some_items: some[1].min(batch - first_item) as u32,
                    ..self.params()
                };
                let some_heads = some[0].min(heads - first_head);
                let mut both = [(); 2].map(|()| {
                    nan(some_heads * params.some_items as usize * self.queries * self.keys)
                });
                for params in self.blocks(params, some[2]) {
                    let rows = rows_of(&params, some_heads);
                    let mut distant = products(&params, inputs, &rows);
                    self.forward_block(inputs, twins, &params, &distant, (&mut y, &mut lse));
                    let [weights, ds] = &mut both;
                    back::backward_weights(
                        &bytemuck::cast(params),
                        &walks::Constants { chunks: 1 },
                        (q, k, &inputs[2], &wide(&self.dy), &twins.notes),
                        (&mut sigma, &mut distant, weights, ds),
                    );
                    add_distances(&params, inputs, &rows, &distant, (&mut dq, &mut dr));
                }
                let all = forward::Params { some_queries: params.queries, ..params };
                self.add_keys(
                    &rows_of(&all, some_heads),
                    inputs,
                    &both,
                    [&mut dq, &mut dk, &mut dv],
                );
            }
        }
        [y, lse, dq, sigma, dk, dv, dr]
    }

    /// Blocks of so many queries, of which those that are any tokens make one.
    fn blocks(&self, params: forward::Params, some: usize) -> Vec<forward::Params> {
        if params.has_places != 0 {
            return vec![params];
        }
        let block = |first: usize| {
            let queries = some.min(self.queries - first);
            forward::Params {
                first_query: first as u32,
                some_queries: queries as u32,
                first_distance: (self.queries - first - queries) as u32,
                some_distances: (self.keys + queries) as u32,
                ..params
            }
        };
        (0..self.queries).step_by(some).map(block).collect()
    }

    fn forward_block(
        &self,
        [q, k, v, _, u, w, ..]: &[Vec<f64>; 8],
        twins: &Twins,
        params: &forward::Params,
        distant: &[f64],
        writes: (&mut [f64], &mut [f64]),
    ) {
        let biases = [&u[..], &w[..]].concat();
        let reads = (&q[..], &k[..], &v[..], &biases[..], &twins.packed[..], distant);
        twin::forward_distant(params, &forward::Constants { chunks: 1 }, reads, writes);
    }

    fn add_keys(
        &self,
        rows: &[Row],
        [q, k, _, _, u, ..]: &[Vec<f64>; 8],
        [weights, ds]: &[Vec<f64>; 2],
        [dq, dk, dv]: [&mut [f64]; 3],
    ) {
        let [.., heads, width] = self.case.extents;
        for (at, row) in rows.iter().enumerate() {
            for (j, c) in (0..self.keys).flat_map(|j| (0..width).map(move |c| (j, c))) {
                let key = ((row.item * self.keys + j) * heads + row.head) * width + c;
                let (g, weight) = (ds[at * self.keys + j], weights[at * self.keys + j]);
                dq[row.start + c] += g * k[key];
                dk[key] += g * (q[row.start + c] + u[row.head * width + c]);
                dv[key] += weight * f64::from(self.dy[row.start + c]);
            }
        }
    }
}

/// A query of one head.
struct Row {
    head: usize,
    item: usize,
    /// Where its channels begin.
    start: usize,
}

/// Those of a dispatch.
fn rows_of(params: &forward::Params, some_heads: usize) -> Vec<Row> {
    let [queries, heads, width] = [params.queries, params.heads, params.width].map(|n| n as usize);
    let [items, some] = [params.some_items, params.some_queries].map(|n| n as usize);
    let row = |at: usize| {
        let item = params.first_item as usize + at / some % items;
        let head = params.first_head as usize + at / some / items;
        let i = params.first_query as usize + at % some;
        Row { head, item, start: ((item * queries + i) * heads + head) * width }
    };
    (0..some_heads * items * some).map(row).collect()
}

/// X of the rows.
fn products(
    params: &forward::Params,
    [q, _, _, r, _, w, ..]: &[Vec<f64>; 8],
    rows: &[Row],
) -> Vec<f64> {
    let product = |row: &Row, n: usize| {
        let channels = (0..params.width as usize).map(|c| {
            let query = q[row.start + c] + w[row.head * params.width as usize + c];
            query * r[in_table(params, row, n) + c]
        });
        channels.sum::<f64>()
    };
    let distances = params.some_distances as usize;
    rows.iter().flat_map(|row| (0..distances).map(move |n| product(row, n))).collect()
}

fn add_distances(
    params: &forward::Params,
    [q, _, _, r, _, w, ..]: &[Vec<f64>; 8],
    rows: &[Row],
    shifted: &[f64],
    (dq, dr): (&mut [f64], &mut [f64]),
) {
    let distances = params.some_distances as usize;
    for (row, shifted) in rows.iter().zip(shifted.chunks_exact(distances)) {
        for (n, g) in shifted.iter().enumerate() {
            for c in 0..params.width as usize {
                let at = in_table(params, row, n) + c;
                dq[row.start + c] += g * r[at];
                dr[at] += g * (q[row.start + c] + w[row.head * params.width as usize + c]);
            }
        }
    }
}

/// Where the channels of the dispatch's distance `n` begin in r.
fn in_table(params: &forward::Params, row: &Row, n: usize) -> usize {
    ((params.first_distance as usize + n) * params.heads as usize + row.head)
        * params.width as usize
}
