//! The chunks of emulated GPUs by their twins: some heads of some items at a time, with plain products before and after.

use wgrad_engine::params::{attention_relative as forward, attention_relative_backward as walks};
use wgrad_engine::reference::{attention_relative as twin, attention_relative_backward as back};
use wgrad_engine::testing::wide;

use super::problem::Problem;
use super::twins::Twins;

impl Problem {
    /// y and L, then dq, σ, dk, dv, and dr summed over items, in chunks of so many heads and items.
    pub fn by_chunks(
        &self,
        inputs: &[Vec<f64>; 8],
        twins: &Twins,
        some: [usize; 2],
    ) -> [Vec<f64>; 7] {
        let [batch, _, tokens, heads, width] = self.case.extents;
        let (queries, keys, distances) = (self.queries, self.keys, tokens + self.keys);
        let [q, k, v, r, u, w, ..] = inputs;
        let dy = wide(&self.dy);
        let constants = forward::Constants { chunks: 1 };
        let walk_constants = walks::Constants { chunks: 1 };
        let nan = |n: usize| vec![f64::NAN; n];
        let (mut y, mut lse, mut sigma) =
            (nan(q.len()), nan(twins.lse.len()), nan(twins.lse.len()));
        let [mut dq, mut dk, mut dv, mut dr] = [q, k, k, r].map(|x| vec![0.0; x.len()]);
        let biases = [&u[..], &w[..]].concat();
        let chunks = (0..heads)
            .step_by(some[0])
            .flat_map(|a| (0..batch).step_by(some[1]).map(move |b| (a, b)));
        for (first_head, first_item) in chunks {
            let part = [some[0].min(heads - first_head), some[1].min(batch - first_item)];
            let params = forward::Params {
                first_head: first_head as u32,
                first_item: first_item as u32,
                some_items: part[1] as u32,
                ..self.params()
            };
            // Head, item, query and where its channels begin, of each row of the chunk.
            let rows: Vec<[usize; 4]> = (0..part[0] * part[1] * queries)
                .map(|at| {
                    let (item, i) = (first_item + at / queries % part[1], at % queries);
                    let head = first_head + at / queries / part[1];
                    [head, item, i, ((item * queries + i) * heads + head) * width]
                })
                .collect();
            let mut distant = nan(rows.len() * distances);
            for (at, &[head, _, _, start]) in rows.iter().enumerate() {
                for n in 0..distances {
                    let in_table = (n * heads + head) * width;
                    distant[at * distances + n] = (0..width)
                        .map(|c| (q[start + c] + w[head * width + c]) * r[in_table + c])
                        .sum();
                }
            }
            let reads = (&q[..], &k[..], &v[..], &biases[..], &twins.packed[..], &distant[..]);
            twin::forward_distant(&params, &constants, reads, (&mut y, &mut lse));

            let [mut weights, mut ds] = [(); 2].map(|()| nan(rows.len() * keys));
            back::backward_weights(
                &bytemuck::cast(params),
                &walk_constants,
                (q, k, v, &dy, &twins.notes),
                (&mut sigma, &mut distant, &mut weights, &mut ds),
            );
            for (at, &[head, item, _, start]) in rows.iter().enumerate() {
                for c in 0..width {
                    for j in 0..keys {
                        let (g, key) =
                            (ds[at * keys + j], ((item * keys + j) * heads + head) * width + c);
                        dq[start + c] += g * k[key];
                        dk[key] += g * (q[start + c] + u[head * width + c]);
                        dv[key] += weights[at * keys + j] * dy[start + c];
                    }
                    for n in 0..distances {
                        let (g, n) = (distant[at * distances + n], (n * heads + head) * width + c);
                        dq[start + c] += g * r[n];
                        dr[n] += g * (q[start + c] + w[head * width + c]);
                    }
                }
            }
        }
        [y, lse, dq, sigma, dk, dv, dr]
    }
}
