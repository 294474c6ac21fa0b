//! One problem of biased attention: its inputs, what its formula gives, what the twins make of it, and what a device does.

use wgrad_engine::ops::{Visibility, attention_biased};
use wgrad_engine::params::{attention_biased as rows, head_major};
use wgrad_engine::random::{Dropout, dropout_threshold, philox};
use wgrad_engine::reference::{attention_biased as twin, head_major as heads_twin};
use wgrad_engine::testing::{assert_close, dot, normal, wide};
use wgrad_engine::{Device, Tensor};

/// Sizes, masks and options.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// B, T, S, A, D.
    pub extents: [usize; 5],
    /// A bias for each item, for each head; else one for all.
    pub of_items: bool,
    pub of_heads: bool,
    /// T5 does not scale: its queries are small already.
    pub t5: bool,
    pub lengths: bool,
    pub causal: bool,
    pub bits: bool,
    pub probability: f32,
}

impl Case {
    pub const fn plain(extents: [usize; 5]) -> Self {
        Self {
            extents,
            of_items: false,
            of_heads: false,
            t5: false,
            lengths: false,
            causal: false,
            bits: false,
            probability: 0.0,
        }
    }

    /// Every mask, and dropout.
    pub const fn full(extents: [usize; 5]) -> Self {
        Self { lengths: true, causal: true, bits: true, probability: 0.25, ..Self::plain(extents) }
    }
}

/// Names of y and of the gradients; the inputs have the order of the latter.
pub const NAMES: [&str; 5] = ["y", "dq", "dk", "dv", "dbias"];

const KEY: [u32; 2] = [0xDEAD_BEEF, 0x0123_4567];
const SITE: u32 = 3;
const FIRST_ROW: u32 = 17;

#[derive(Clone)]
pub struct Problem {
    pub case: Case,
    /// q, k, v and the bias.
    pub inputs: [Vec<f32>; 4],
    pub dy: Vec<f32>,
    pub lengths: Vec<u32>,
    pub bits: Vec<u32>,
}

impl Problem {
    pub fn new(case: Case) -> Self {
        let [batch, queries, keys, heads, width] = case.extents;
        let [q, k] = [queries, keys].map(|rows| batch * rows * heads * width);
        let biases =
            (if case.of_items { batch } else { 1 }) * (if case.of_heads { heads } else { 1 });
        let mut seed = 0;
        let mut inputs = [q, k, k, biases * queries * keys].map(|size| {
            seed += 1;
            normal(size, seed)
        });
        if case.t5 {
            inputs[0].iter_mut().for_each(|q| *q /= (width as f32).sqrt());
        }
        let words = keys.div_ceil(32);
        let draws = normal(batch * queries * words, 20);
        let mut bits: Vec<u32> =
            draws.iter().map(|x| x.to_bits().wrapping_mul(0x9E37_79B9)).collect();
        bits[..words].fill(0); // the first row sees nothing, the second one column
        if batch * queries > 1 {
            bits[words..2 * words].fill(0);
            bits[words + (keys - 1) / 32] = 1 << ((keys - 1) % 32);
        }
        Self {
            case,
            inputs,
            dy: normal(q, 10),
            lengths: (0..batch).map(|b| (keys - b * keys / (2 * batch)) as u32).collect(),
            bits,
        }
    }

    pub fn wide_inputs(&self) -> [Vec<f64>; 4] {
        self.inputs.each_ref().map(|values| wide(values))
    }

    /// Items and heads of the bias.
    fn biases(&self) -> [usize; 2] {
        let [batch, _, _, heads, _] = self.case.extents;
        [if self.case.of_items { batch } else { 1 }, if self.case.of_heads { heads } else { 1 }]
    }

    /// As the op is told it, in f32.
    fn scale(&self) -> f32 {
        if self.case.t5 { 1.0 } else { 1.0 / (self.case.extents[4] as f32).sqrt() }
    }

    fn keep_scale(&self) -> f32 {
        1.0 / (1.0 - self.case.probability)
    }

    pub fn sees(&self, b: usize, i: usize, j: usize) -> bool {
        let [_, queries, keys, ..] = self.case.extents;
        let word = || self.bits[(b * queries + i) * keys.div_ceil(32) + j / 32];
        (!self.case.lengths || j < self.lengths[b] as usize)
            && (!self.case.causal || j + queries <= i + keys)
            && (!self.case.bits || word() >> (j % 32) & 1 == 1)
    }

    /// y by the formula, one row after the other.
    pub fn composed(&self, [q, k, v, bias]: &[Vec<f64>; 4]) -> Vec<f64> {
        let [batch, queries, keys, heads, width] = self.case.extents;
        let [bias_items, bias_heads] = self.biases();
        let threshold = dropout_threshold(self.case.probability);
        let (scale, keep) = (f64::from(self.scale()), f64::from(self.keep_scale()));
        let of = |row: usize, a: usize| (row * heads + a) * width;
        let mut y = vec![0.0; q.len()];
        for (b, a) in (0..batch).flat_map(|b| (0..heads).map(move |a| (b, a))) {
            let matrix = b % bias_items * bias_heads + a % bias_heads;
            for i in 0..queries {
                let row = b * queries + i;
                let query = &q[of(row, a)..][..width];
                let score = |j: usize| {
                    scale * dot(query, &k[of(b * keys + j, a)..][..width])
                        + bias[(matrix * queries + i) * keys + j]
                };
                let visible: Vec<usize> = (0..keys).filter(|&j| self.sees(b, i, j)).collect();
                let exps: Vec<f64> = visible.iter().map(|&j| score(j).exp()).collect();
                let total: f64 = exps.iter().sum();
                for (&j, e) in visible.iter().zip(&exps) {
                    let counter = [j as u32 / 4, row as u32 + FIRST_ROW, SITE, a as u32];
                    let z = if philox(counter, KEY)[j % 4] < threshold { 0.0 } else { keep };
                    let y = &mut y[of(row, a)..][..width];
                    for (y, v) in y.iter_mut().zip(&v[of(b * keys + j, a)..]) {
                        *y += z * e / total * v;
                    }
                }
            }
        }
        y
    }

    /// y and every gradient by the twins in f64, in chunks of `some_heads` heads and `some_items` items as the op does it.
    pub fn by_twins(
        &self,
        [q, k, v, bias]: &[Vec<f64>; 4],
        [some_heads, some_items]: [usize; 2],
    ) -> [Vec<f64>; 5] {
        let [batch, queries, keys, heads, width] = self.case.extents;
        let scale = f64::from(self.scale());
        let dy = wide(&self.dy);
        let nan = |n: usize| vec![f64::NAN; n];
        let mut lse = nan(batch * queries * heads);
        let [mut y, mut dq] = [(); 2].map(|()| nan(q.len()));
        let [mut dk, mut dv] = [(); 2].map(|()| nan(k.len()));
        let mut dbias = nan(bias.len());
        let firsts = |all: usize, some: usize| (0..all).step_by(some);
        let chunks =
            firsts(heads, some_heads).flat_map(|a| firsts(batch, some_items).map(move |b| (a, b)));
        for (first_head, first_item) in chunks {
            let (c, e) = (some_heads.min(heads - first_head), some_items.min(batch - first_item));
            let params = self.params([first_head, c, first_item, e].map(|n| n as u32));
            let of_queries = self.moved(queries, &params);
            let of_keys = self.moved(keys, &params);
            let gather = |params: &head_major::Params, x: &[f64]| {
                let mut y = nan(c * e * params.tokens as usize * width);
                heads_twin::forward(params, x, &mut y);
                y
            };
            let (qc, dyc) = (gather(&of_queries, q), gather(&of_queries, &dy));
            let (kc, vc) = (gather(&of_keys, k), gather(&of_keys, v));
            let mut weights = product(c * e, [queries, width, keys], (&qc, false), (&kc, true));
            let mut products = weights.clone();
            let masks = (&self.lengths[..], &self.bits[..]);
            let reads = (&bias[..], masks.0, masks.1, &KEY[..]);
            twin::forward(&params, reads, (&mut weights, &mut lse));
            let mixed = product(c * e, [queries, keys, width], (&weights, false), (&vc, false));
            heads_twin::backward(&of_queries, &mixed, &mut y);

            let mut ds = product(c * e, [queries, width, keys], (&dyc, false), (&vc, true));
            let reads = (&bias[..], masks.0, masks.1, &KEY[..], &lse[..]);
            twin::backward(&params, reads, (&mut products, &mut ds));
            assert_close(&products, &weights, 1e-12, "weights of both directions");
            twin::backward_bias(&params, &ds, &mut dbias);
            let part = product(c * e, [queries, keys, width], (&ds, false), (&kc, false));
            heads_twin::backward(&of_queries, &part, &mut dq);
            let part = product(c * e, [keys, queries, width], (&ds, true), (&qc, false));
            heads_twin::backward(&of_keys, &part, &mut dk);
            let part = product(c * e, [keys, queries, width], (&weights, true), (&dyc, false));
            heads_twin::backward(&of_keys, &part, &mut dv);
        }
        dq.iter_mut().chain(&mut dk).for_each(|gradient| *gradient *= scale);
        [y, dq, dk, dv, dbias]
    }

    fn params(&self, [first_head, some_heads, first_item, some_items]: [u32; 4]) -> rows::Params {
        let [_, queries, keys, heads, _] = self.case.extents;
        let [bias_items, bias_heads] = self.biases();
        rows::Params {
            queries: queries as u32,
            keys: keys as u32,
            heads: heads as u32,
            bias_items: bias_items as u32,
            bias_heads: bias_heads as u32,
            scale: self.scale(),
            causal: self.case.causal.into(),
            has_lengths: self.case.lengths.into(),
            has_bits: self.case.bits.into(),
            threshold: dropout_threshold(self.case.probability),
            keep_scale: self.keep_scale(),
            site: SITE,
            first_row: FIRST_ROW,
            first_head,
            some_heads,
            first_item,
            some_items,
        }
    }

    /// How the chunk of `params` moves rows of q or of k.
    fn moved(&self, tokens: usize, params: &rows::Params) -> head_major::Params {
        head_major::Params {
            tokens: tokens as u32,
            heads: params.heads,
            width: self.case.extents[4] as u32,
            first_head: params.first_head,
            first_item: params.first_item,
            some_items: params.some_items,
            first_token: 0,
            some_tokens: tokens as u32,
        }
    }

    pub fn visibility(&self, device: &Device) -> Visibility {
        let [batch, queries, keys, ..] = self.case.extents;
        let mut visibility = Visibility::all();
        if self.case.lengths {
            visibility = visibility.and_lengths(device, &self.lengths);
        }
        if self.case.causal {
            visibility = visibility.and_causal();
        }
        if self.case.bits {
            visibility = visibility.and_bits(device, [batch, queries, keys], &self.bits);
        }
        visibility
    }

    pub fn dropout(&self, device: &Device) -> Option<Dropout> {
        (self.case.probability > 0.0).then(|| Dropout {
            probability: self.case.probability,
            key: Tensor::u32(device, [2], &KEY),
            site: SITE,
            first_row: FIRST_ROW,
        })
    }

    /// q, k, v and the bias on `device`.
    pub fn tensors(&self, device: &Device) -> [Tensor; 4] {
        let [batch, queries, keys, heads, width] = self.case.extents;
        let [bias_items, bias_heads] = self.biases();
        let shapes = [
            [batch, queries, heads, width],
            [batch, keys, heads, width],
            [batch, keys, heads, width],
            [bias_items, bias_heads, queries, keys],
        ];
        std::array::from_fn(|at| Tensor::f32(device, shapes[at], &self.inputs[at]))
    }

    /// y and the gradients of those inputs that are `tracked`, empty for others, through the op on `device`.
    pub fn run_tracking(&self, device: &Device, tracked: [bool; 4]) -> [Vec<f32>; 5] {
        let mut leaves = self.tensors(device);
        for (leaf, _) in leaves.iter_mut().zip(tracked).filter(|(_, tracked)| *tracked) {
            *leaf = leaf.tracked();
        }
        let [q, k, v, bias] = &leaves;
        let (visibility, dropout) = (self.visibility(device), self.dropout(device));
        let y = attention_biased(q, k, v, bias, self.scale(), &visibility, dropout.as_ref());
        let gradients = y.backward_with(&Tensor::f32(device, y.shape().clone(), &self.dy));
        let of_leaf = |leaf: &Tensor| gradients.get(leaf).map_or_else(Vec::new, Tensor::to_f32);
        [y.to_f32(), of_leaf(q), of_leaf(k), of_leaf(v), of_leaf(bias)]
    }

    /// y and every gradient.
    pub fn run(&self, device: &Device) -> [Vec<f32>; 5] {
        self.run_tracking(device, [true; 4])
    }

    /// Compares devices with the twins.
    #[track_caller]
    pub fn check(&self, devices: &[Device], tolerance: f64) {
        let half = self.case.extents[0].div_ceil(2);
        let expected = self.by_twins(&self.wide_inputs(), [1, half]);
        for device in devices {
            let actual = self.run(device);
            for (name, (actual, expected)) in NAMES.iter().zip(actual.iter().zip(&expected)) {
                let context = format!("{device:?} {:?} {name}", self.case);
                assert_close(actual, expected, tolerance, &context);
            }
        }
    }
}
/// op(A)·op(B) of matrices side by side; a `true` says that the operand lies transposed.
fn product(
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
