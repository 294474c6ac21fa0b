//! What the twins make of a problem, in f64, chunk by chunk as the op does it.

use wgrad_engine::params::{attention_relative as rows, head_major, relative_segments as segments};
use wgrad_engine::random::dropout_threshold;
use wgrad_engine::reference::attention_relative as twin;
use wgrad_engine::reference::head_major as heads_twin;
use wgrad_engine::reference::relative_segments as segments_twin;
use wgrad_engine::testing::{assert_close, wide};

use super::problem::{FIRST_ROW, KEY, Problem, SITE};

impl Problem {
    fn params(&self) -> rows::Params {
        let [batch, _, tokens, heads, width] = self.case.extents;
        rows::Params {
            batch: batch as u32,
            queries: self.queries as u32,
            keys: self.keys as u32,
            heads: heads as u32,
            distances: (tokens + self.keys) as u32,
            scale: 1.0 / (width as f32).sqrt(),
            causal: self.case.causal.into(),
            has_lengths: self.case.lengths.into(),
            has_bits: self.case.bits.into(),
            has_places: (self.case.picked > 0).into(),
            has_segments: self.case.segments.into(),
            threshold: dropout_threshold(self.case.probability),
            keep_scale: 1.0 / (1.0 - self.case.probability),
            site: SITE,
            first_row: FIRST_ROW,
            first_head: 0,
            some_heads: heads as u32,
            first_item: 0,
            some_items: batch as u32,
        }
    }

    /// y and every gradient by the twins in f64, in chunks of `some_heads` heads and `some_items` items.
    pub fn by_twins(&self, inputs: &[Vec<f64>; 8], some: [usize; 2]) -> [Vec<f64>; 9] {
        let [batch, _, tokens, heads, width] = self.case.extents;
        let (queries, keys, distances) = (self.queries, self.keys, tokens + self.keys);
        let plane = heads * width;
        let [q, k, v, r, u, w, m, o] = inputs;
        let dy = wide(&self.dy);
        let nan = |n: usize| vec![f64::NAN; n];
        let notes = batch * queries * heads;
        let (mut slopes, mut lse, mut sigma) = (nan(notes), nan(notes), nan(notes));
        let of_segments =
            |[first_head, some_heads, first_item, some_items]: [u32; 4]| segments::Params {
                batch: batch as u32,
                queries: queries as u32,
                keys: keys as u32,
                heads: heads as u32,
                width: width as u32,
                first_head,
                some_heads,
                first_item,
                some_items,
            };
        let whole = of_segments([0, heads as u32, 0, batch as u32]);
        segments_twin::forward(&whole, (q, o, m), &mut slopes);
        let [mut y, mut content, mut distance] = [(); 3].map(|()| nan(q.len()));
        let (mut dk, mut dv, mut dr) = (nan(k.len()), nan(k.len()), nan(r.len()));
        let firsts = |all: usize, some: usize| (0..all).step_by(some);
        let chunks =
            firsts(heads, some[0]).flat_map(|a| firsts(batch, some[1]).map(move |b| (a, b)));
        for (first_head, first_item) in chunks {
            let (c, e) = (some[0].min(heads - first_head), some[1].min(batch - first_item));
            let part = [first_head, c, first_item, e].map(|n| n as u32);
            let moved = |tokens: usize, [first_item, items]: [u32; 2]| head_major::Params {
                tokens: tokens as u32,
                heads: heads as u32,
                width: width as u32,
                first_head: part[0],
                some_heads: part[1],
                first_item,
                some_items: items,
            };
            let (of_queries, of_keys) =
                (moved(queries, [part[2], part[3]]), moved(keys, [part[2], part[3]]));
            let of_table = moved(distances, [0, 1]);
            let params = rows::Params {
                first_head: part[0],
                some_heads: part[1],
                first_item: part[2],
                some_items: part[3],
                ..self.params()
            };
            let gather = |params: &head_major::Params, x: &[f64], bias: Option<&[f64]>| {
                let words = params.some_heads * params.some_items * params.tokens * params.width;
                let mut y = nan(words as usize);
                match bias {
                    Some(bias) => heads_twin::forward_biased(params, (x, bias), &mut y),
                    None => heads_twin::forward(params, x, &mut y),
                }
                y
            };
            let (qu, qw) = (gather(&of_queries, q, Some(u)), gather(&of_queries, q, Some(w)));
            let (kc, vc) = (gather(&of_keys, k, None), gather(&of_keys, v, None));
            let (rc, dyc) = (gather(&of_table, r, None), gather(&of_queries, &dy, None));
            let mut weights = product(c * e, [queries, width, keys], (&qu, false), (&kc, true));
            let mut shifted =
                product(c, [e * queries, width, distances], (&qw, false), (&rc, true));
            let masks = (&self.lengths[..], &self.bits[..], &self.places[..]);
            let reads = (
                &shifted[..],
                masks.0,
                masks.1,
                masks.2,
                &self.query_segments[..],
                &self.key_segments[..],
                &slopes[..],
            );
            twin::scores(&params, reads, &mut weights);
            let mut scores = weights.clone();
            twin::forward(&params, &KEY, (&mut weights, &mut lse));
            let mixed = product(c * e, [queries, keys, width], (&weights, false), (&vc, false));
            heads_twin::backward(&of_queries, &mixed, &mut y);

            let mut ds = product(c * e, [queries, width, keys], (&dyc, false), (&vc, true));
            let reads = (&self.places[..], &KEY[..], &lse[..]);
            twin::backward(&params, reads, (&mut scores, &mut ds, &mut shifted));
            assert_close(&scores, &weights, 1e-12, "weights of both directions");
            segments_twin::backward_rows(
                &of_segments(part),
                (&self.query_segments, &self.key_segments, &ds),
                &mut sigma,
            );
            let part = product(c * e, [queries, keys, width], (&ds, false), (&kc, false));
            heads_twin::backward(&of_queries, &part, &mut content);
            let part = product(c, [e * queries, distances, width], (&shifted, false), (&rc, false));
            heads_twin::backward(&of_queries, &part, &mut distance);
            let part = product(c * e, [keys, queries, width], (&ds, true), (&qu, false));
            heads_twin::backward(&of_keys, &part, &mut dk);
            let part = product(c * e, [keys, queries, width], (&weights, true), (&dyc, false));
            heads_twin::backward(&of_keys, &part, &mut dv);
            let part = product(c, [distances, e * queries, width], (&shifted, true), (&qw, false));
            if first_item == 0 {
                heads_twin::backward(&of_table, &part, &mut dr);
            } else {
                heads_twin::backward_add(&of_table, &part, &mut dr);
            }
        }
        let sums = |x: &[f64], columns: usize| -> Vec<f64> {
            (0..columns).map(|c| x.iter().skip(c).step_by(columns).sum()).collect()
        };
        let mut dq: Vec<f64> = content.iter().zip(&distance).map(|(a, b)| a + b).collect();
        let (mut dm, mut d_o) = (vec![0.0; 2 * plane], vec![0.0; plane]);
        if self.case.segments {
            let mut touched = nan(q.len());
            segments_twin::backward_queries(&whole, (q, o, m, &sigma), (&mut dq, &mut touched));
            let (sigma_sum, touched_sum) = (sums(&sigma, heads), sums(&touched, plane));
            let reads = (&m[..], &sigma_sum[..], &touched_sum[..]);
            segments_twin::backward_table(&whole, reads, (&mut d_o, &mut dm));
        }
        [y, dq, dk, dv, dr, sums(&content, plane), sums(&distance, plane), dm, d_o]
    }
}

/// op(A)·op(B) of matrices side by side; a `true` says that the operand lies transposed.
pub fn product(
    batches: usize,
    [rows, inner, columns]: [usize; 3],
    (a, a_transposed): (&[f64], bool),
    (b, b_transposed): (&[f64], bool),
) -> Vec<f64> {
    let mut c = vec![0.0; batches * rows * columns];
    for (batch, c) in c.chunks_exact_mut(rows * columns).enumerate() {
        let (a, b) = (&a[batch * rows * inner..], &b[batch * inner * columns..]);
        for (at, c) in c.iter_mut().enumerate() {
            let (i, j) = (at / columns, at % columns);
            let a = |l: usize| a[if a_transposed { l * rows + i } else { i * inner + l }];
            let b = |l: usize| b[if b_transposed { j * inner + l } else { l * columns + j }];
            *c = (0..inner).map(|l| a(l) * b(l)).sum();
        }
    }
    c
}
