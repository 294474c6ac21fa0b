//! What the twins make of a problem, in f64, in the order in which the op runs them.

use wgrad_engine::params::{
    attention_relative as forward, attention_relative_backward as walks,
    relative_segments as segments,
};
use wgrad_engine::random::dropout_threshold;
use wgrad_engine::reference::attention_relative as twin;
use wgrad_engine::reference::attention_relative_backward as walks_twin;
use wgrad_engine::reference::relative_segments as segments_twin;
use wgrad_engine::testing::wide;

use super::problem::{FIRST_ROW, KEY, Problem, SITE};

/// What the twins of every entry point give.
pub struct Twins {
    pub slopes: Vec<f64>,
    pub packed: Vec<f64>,
    pub y: Vec<f64>,
    pub lse: Vec<f64>,
    pub notes: Vec<f64>,
    /// dq and σ, dk and dv, the table's gradient of each item, and dw of each item and tile.
    pub walked: [Vec<f64>; 6],
}

impl Problem {
    pub fn params(&self) -> forward::Params {
        let [batch, _, tokens, heads, width] = self.case.extents;
        forward::Params {
            batch: batch as u32,
            queries: self.queries as u32,
            keys: self.keys as u32,
            heads: heads as u32,
            width: width as u32,
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
            first_item: 0,
            some_items: batch as u32,
            first_query: 0,
            some_queries: self.queries as u32,
            first_distance: 0,
            some_distances: (tokens + self.keys) as u32,
        }
    }

    /// Every entry point by its twin, in f64.
    pub fn twins(&self, inputs: &[Vec<f64>; 8]) -> Twins {
        let [batch, _, tokens, heads, width] = self.case.extents;
        let (keys, distances) = (self.keys, tokens + self.keys);
        let (plane, tokens) = (heads * width, batch * self.queries);
        let [q, k, v, r, u, w, m, o] = inputs;
        let dy = wide(&self.dy);
        let nan = |n: usize| vec![f64::NAN; n];
        let rows = tokens * heads;
        let mut slopes = nan(rows);
        segments_twin::forward(&self.segment_params(), (q, o, m), &mut slopes);

        let (params, constants) = (self.params(), forward::Constants { chunks: 1 });
        let biases = [&u[..], &w[..]].concat();
        let mut packed = nan(4 + tokens * (2 + 4 * keys.div_ceil(32) + heads));
        let reads = (
            &self.lengths[..],
            &self.bits[..],
            &self.places[..],
            &self.query_segments[..],
            &self.key_segments[..],
            &slopes[..],
            &KEY[..],
        );
        twin::forward_notes(&params, &constants, reads, &mut packed);
        let (mut y, mut lse) = (nan(q.len()), nan(rows));
        let reads = (&q[..], &k[..], &v[..], &r[..], &biases[..], &packed[..]);
        twin::forward(&params, &constants, reads, (&mut y, &mut lse));

        let params: walks::Params = bytemuck::cast(params);
        let constants = walks::Constants { chunks: 1 };
        let mut notes = nan(packed.len() + 2 * plane + 2 * rows);
        let reads = (&biases[..], &packed[..], &y[..], &dy[..], &lse[..]);
        walks_twin::backward_notes(&params, &constants, reads, &mut notes);
        let reads = (&q[..], &k[..], &v[..], &r[..], &dy[..], &notes[..]);
        let (mut dq, mut sigma) = (nan(q.len()), nan(rows));
        let (mut dk, mut dv) = (nan(k.len()), nan(k.len()));
        let mut dtable = nan(batch * distances * plane);
        let mut dbias = nan(batch * distances.div_ceil(64) * plane);
        walks_twin::backward(
            &params,
            &constants,
            reads,
            (&mut dq, &mut sigma, &mut dk, &mut dv, &mut dtable, &mut dbias),
        );
        Twins { slopes, packed, y, lse, notes, walked: [dq, sigma, dk, dv, dtable, dbias] }
    }

    fn segment_params(&self) -> segments::Params {
        let [batch, _, _, heads, width] = self.case.extents;
        segments::Params {
            batch: batch as u32,
            queries: self.queries as u32,
            heads: heads as u32,
            width: width as u32,
        }
    }

    /// y and every gradient by the twins in f64.
    pub fn by_twins(&self, inputs: &[Vec<f64>; 8]) -> [Vec<f64>; 9] {
        let [_, _, tokens, heads, width] = self.case.extents;
        let (distances, plane) = (tokens + self.keys, heads * width);
        let [q, _, _, _, _, _, m, o] = inputs;
        let Twins { y, walked: [mut dq, sigma, dk, dv, dtable, dbias], .. } = self.twins(inputs);
        let sums = |x: &[f64], columns: usize| -> Vec<f64> {
            (0..columns).map(|c| x.iter().skip(c).step_by(columns).sum()).collect()
        };
        let dw = sums(&dbias, plane);
        let du = sums(&dq, plane).iter().zip(&dw).map(|(both, dw)| both - dw).collect();
        let (mut dm, mut d_o) = (vec![0.0; 2 * plane], vec![0.0; plane]);
        if self.case.segments {
            let mut touched = vec![f64::NAN; q.len()];
            let (params, reads) = (self.segment_params(), (&q[..], &o[..], &m[..], &sigma[..]));
            segments_twin::backward_queries(&params, reads, (&mut dq, &mut touched));
            let (sigma_sum, touched_sum) = (sums(&sigma, heads), sums(&touched, plane));
            let reads = (&m[..], &sigma_sum[..], &touched_sum[..]);
            segments_twin::backward_table(&params, reads, (&mut d_o, &mut dm));
        }
        [y, dq, dk, dv, sums(&dtable, distances * plane), du, dw, dm, d_o]
    }
}
