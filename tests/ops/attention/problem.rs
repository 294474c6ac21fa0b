//! One problem of attention: its inputs, what the twin makes of it, and what a device does.

use wgrad_engine::ops::{self, Visibility};
use wgrad_engine::params::{attention as forward, attention_backward as backward};
use wgrad_engine::random::{Dropout, dropout_threshold};
use wgrad_engine::reference::{attention as twin, attention_backward as twin_backward};
use wgrad_engine::testing::{assert_close, normal, wide};
use wgrad_engine::{Device, Tensor};

/// What hides columns from rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Hidden {
    Nothing,
    /// Lengths from the whole of S down to 0.
    Padding,
    Future,
    /// Random bits, under which row 0 of item 0 sees nothing and row 1 one column.
    Bits,
    All,
}

/// One problem: extents, masks, inputs and upstream gradient.
pub struct Problem {
    pub params: forward::Params,
    pub lengths: Vec<u32>,
    pub bits: Vec<u32>,
    pub key: [u32; 2],
    pub q: Vec<f32>,
    pub k: Vec<f32>,
    pub v: Vec<f32>,
    pub dy: Vec<f32>,
}

/// B, T, S, A, D.
pub type Extents = [usize; 5];

impl Problem {
    pub fn new(
        [batch, queries, keys, heads, width]: Extents,
        hidden: Hidden,
        probability: f32,
    ) -> Self {
        let is = |kind| hidden == kind || hidden == Hidden::All;
        let words = keys.div_ceil(32);
        let rows = batch * queries;
        let mut bits: Vec<u32> =
            normal(rows * words, 5).iter().map(|x| x.to_bits().wrapping_mul(0x9E37_79B9)).collect();
        bits[..words].fill(0);
        if rows > 1 {
            bits[words..2 * words].fill(0);
            bits[words + (keys - 1) / 32] = 1 << ((keys - 1) % 32);
        }
        let params = forward::Params {
            batch: batch as u32,
            queries: queries as u32,
            keys: keys as u32,
            heads: heads as u32,
            width: width as u32,
            scale: 1.0 / (width as f32).sqrt(),
            causal: is(Hidden::Future).into(),
            has_lengths: is(Hidden::Padding).into(),
            has_bits: is(Hidden::Bits).into(),
            threshold: dropout_threshold(probability),
            keep_scale: 1.0 / (1.0 - probability),
            site: 3,
            first_row: 17,
        };
        let of_queries = |seed| normal(rows * heads * width, seed);
        let of_keys = |seed| normal(batch * keys * heads * width, seed);
        Self {
            params,
            lengths: (0..batch)
                .map(|b| (keys * (batch - b) / batch) as u32 - (b % 2) as u32)
                .collect(),
            bits,
            key: [0xDEAD_BEEF, 0x0123_4567],
            q: of_queries(1),
            k: of_keys(2),
            v: of_keys(3),
            dy: of_queries(4),
        }
    }

    pub fn extents(&self) -> Extents {
        let p = &self.params;
        [p.batch, p.queries, p.keys, p.heads, p.width].map(|n| n as usize)
    }

    /// y and L by the twin, in f64.
    pub fn forward64(&self, q: &[f64], k: &[f64], v: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let [batch, queries, _, heads, _] = self.extents();
        let (mut y, mut lse) = (vec![f64::NAN; q.len()], vec![f64::NAN; batch * queries * heads]);
        let reads = (q, k, v, &self.lengths[..], &self.bits[..], &self.key[..]);
        let constants = forward::Constants { chunks: 4 };
        twin::forward(&self.params, &constants, reads, (&mut y, &mut lse));
        (y, lse)
    }

    /// y and `notes` by the twins, in f64.
    pub fn notes(&self) -> (Vec<f64>, Vec<f64>) {
        let [q, k, v, dy] = [&self.q, &self.k, &self.v, &self.dy].map(|values| wide(values));
        let (y, lse) = self.forward64(&q, &k, &v);
        let [batch, queries, keys, heads, _] = self.extents();
        let halves = 2 * batch * queries * keys.div_ceil(32) * self.params.has_bits as usize;
        let mut notes = vec![f64::NAN; 4 + batch + 2 * batch * heads * queries + halves];
        let params: backward::Params = bytemuck::cast(self.params);
        let constants = backward::Constants { chunks: 4 };
        let reads = (&y[..], &dy[..], &lse[..], &self.lengths[..], &self.bits[..], &self.key[..]);
        twin_backward::backward_rows(&params, &constants, reads, &mut notes);
        (y, notes)
    }

    /// y, dq, dk and dv by the twins, in f64.
    pub fn expected(&self) -> [Vec<f64>; 4] {
        let [q, k, v, dy] = [&self.q, &self.k, &self.v, &self.dy].map(|values| wide(values));
        let (y, notes) = self.notes();
        let params: backward::Params = bytemuck::cast(self.params);
        let constants = backward::Constants { chunks: 4 };
        let mut dq = vec![f64::NAN; q.len()];
        let (mut dk, mut dv) = (vec![f64::NAN; k.len()], vec![f64::NAN; k.len()]);
        let reads = (&q[..], &k[..], &v[..], &dy[..], &notes[..]);
        twin_backward::backward_queries(&params, &constants, reads, &mut dq);
        twin_backward::backward_keys(&params, &constants, reads, (&mut dk, &mut dv));
        [y, dq, dk, dv]
    }

    /// y, dq, dk and dv through the op on `device`.
    pub fn run(&self, device: &Device) -> [Vec<f32>; 4] {
        let (y, gradients) = self.run_tracking(device, [true; 3]);
        let [dq, dk, dv] = gradients.map(|gradient| gradient.expect("q, k and v are tracked"));
        [y, dq, dk, dv]
    }

    /// The gradient of q, k or v (0, 1, 2) where the other two are not tracked.
    pub fn gradient(&self, device: &Device, of: usize) -> Vec<f32> {
        let (_, mut gradients) = self.run_tracking(device, [0, 1, 2].map(|leaf| leaf == of));
        gradients[of].take().expect("it is tracked")
    }

    /// y, and the gradients of those of q, k and v that are tracked.
    fn run_tracking(
        &self,
        device: &Device,
        tracked: [bool; 3],
    ) -> (Vec<f32>, [Option<Vec<f32>>; 3]) {
        let [batch, queries, keys, heads, width] = self.extents();
        let upload =
            |rows, values: &[f32]| Tensor::f32(device, [batch, rows, heads, width], values);
        let leaf = |rows, values, is_tracked| {
            let tensor = upload(rows, values);
            if is_tracked { tensor.tracked() } else { tensor }
        };
        let q = leaf(queries, &self.q, tracked[0]);
        let k = leaf(keys, &self.k, tracked[1]);
        let v = leaf(keys, &self.v, tracked[2]);
        let mut visibility = Visibility::all();
        if self.params.has_lengths == 1 {
            visibility = visibility.and_lengths(device, &self.lengths);
        }
        if self.params.causal == 1 {
            visibility = visibility.and_causal();
        }
        if self.params.has_bits == 1 {
            visibility = visibility.and_bits(device, [batch, queries, keys], &self.bits);
        }
        let probability = 1.0 - 1.0 / self.params.keep_scale;
        let dropout = Dropout {
            probability,
            key: Tensor::u32(device, [2], &self.key),
            site: self.params.site,
            first_row: self.params.first_row,
        };
        let dropout = (self.params.threshold > 0).then_some(&dropout);
        let y = ops::attention(&q, &k, &v, &visibility, dropout);
        let gradients = y.backward_with(&upload(queries, &self.dy));
        let of = |leaf: &Tensor| gradients.get(leaf).map(Tensor::to_f32);
        (y.to_f32(), [of(&q), of(&k), of(&v)])
    }

    #[track_caller]
    pub fn check(&self, device: &Device, tolerance: f64, context: &str) {
        let context = format!("{device:?} {:?} {context}", self.extents());
        assert_all_close(&self.run(device), &self.expected(), tolerance, &context);
    }
}

/// Compares y, dq, dk and dv.
#[track_caller]
pub fn assert_all_close(
    actual: &[Vec<f32>; 4],
    expected: &[Vec<f64>; 4],
    tolerance: f64,
    context: &str,
) {
    for (name, (actual, expected)) in
        ["y", "dq", "dk", "dv"].iter().zip(actual.iter().zip(expected))
    {
        assert_close(actual, expected, tolerance, &format!("{context} {name}"));
    }
}
