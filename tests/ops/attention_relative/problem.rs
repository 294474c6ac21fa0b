//! One problem of relative attention: its inputs, what the code of the paper makes of it, and what a device does.

use wgrad_engine::device::Format;
use wgrad_engine::ops::{Distances, Segments, Visibility, attention_relative, cast};
use wgrad_engine::random::{Dropout, dropout_threshold, philox};
use wgrad_engine::testing::{assert_close, dot, normal, wide};
use wgrad_engine::{Device, Tensor};

/// Sizes, masks and options.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// B, memory M, tokens Q, A, D.
    pub extents: [usize; 5],
    /// Queries T at places of their own; 0: every token is one.
    pub picked: usize,
    pub lengths: bool,
    pub causal: bool,
    pub bits: bool,
    pub segments: bool,
    pub probability: f32,
}

impl Case {
    pub const fn plain(extents: [usize; 5]) -> Self {
        Self {
            extents,
            picked: 0,
            lengths: false,
            causal: false,
            bits: false,
            segments: false,
            probability: 0.0,
        }
    }

    pub const fn full(extents: [usize; 5]) -> Self {
        Self {
            lengths: true,
            causal: true,
            bits: true,
            segments: true,
            probability: 0.25,
            ..Self::plain(extents)
        }
    }
}

/// Names of y and of the gradients, and the order of the inputs: q, k, v, r, u, w, m, o.
pub const NAMES: [&str; 9] = ["y", "dq", "dk", "dv", "dr", "du", "dw", "dm", "do"];

pub struct Problem {
    pub case: Case,
    /// T.
    pub queries: usize,
    /// S.
    pub keys: usize,
    pub inputs: [Vec<f32>; 8],
    pub dy: Vec<f32>,
    pub lengths: Vec<u32>,
    pub bits: Vec<u32>,
    pub places: Vec<u32>,
    pub query_segments: Vec<u32>,
    pub key_segments: Vec<u32>,
}

pub const KEY: [u32; 2] = [0xDEAD_BEEF, 0x0123_4567];
pub const SITE: u32 = 3;
pub const FIRST_ROW: u32 = 17;

impl Problem {
    pub fn new(case: Case) -> Self {
        let [batch, memory, tokens, heads, width] = case.extents;
        let queries = if case.picked == 0 { tokens } else { case.picked };
        let keys = memory + tokens;
        let plane = heads * width;
        let sizes = [
            batch * queries * plane,
            batch * keys * plane,
            batch * keys * plane,
            (tokens + keys) * plane,
            plane,
            plane,
            2 * plane,
            plane,
        ];
        let mut seed = 0;
        let inputs = sizes.map(|size| {
            seed += 1;
            normal(size, seed)
        });
        let words = keys.div_ceil(32);
        let draws = normal(batch * queries * words, 20);
        let mut bits: Vec<u32> =
            draws.iter().map(|x| x.to_bits().wrapping_mul(0x9E37_79B9)).collect();
        bits[..words].fill(0); // the first row sees nothing, the second one column
        if batch * queries > 1 {
            bits[words..2 * words].fill(0);
            bits[words + (keys - 1) / 32] = 1 << ((keys - 1) % 32);
        }
        // Distinct places in no order: a step that shares no factor with a Q that is not a multiple of 3.
        let place = |at: usize| ((at % queries * 3 + at / queries + 1) % tokens) as u32;
        let token = |at: usize| if case.picked == 0 { at % queries } else { place(at) as usize };
        let key_segments: Vec<u32> =
            (0..batch * keys).map(|at| (at % keys * 3 / keys.max(1) + at / keys) as u32).collect();
        let of_query = |at: usize| key_segments[at / queries * keys + memory + token(at)];
        Self {
            case,
            queries,
            keys,
            inputs,
            dy: normal(sizes[0], 10),
            lengths: (0..batch).map(|b| (keys - b * keys / (2 * batch)) as u32).collect(),
            bits,
            places: (0..batch * queries).map(place).collect(),
            query_segments: (0..batch * queries).map(of_query).collect(),
            key_segments,
        }
    }

    pub fn wide_inputs(&self) -> [Vec<f64>; 8] {
        self.inputs.each_ref().map(|values| wide(values))
    }

    /// t of row `i`.
    fn token(&self, b: usize, i: usize) -> usize {
        if self.case.picked == 0 { i } else { self.places[b * self.queries + i] as usize }
    }

    pub fn sees(&self, b: usize, i: usize, j: usize) -> bool {
        let word = || self.bits[(b * self.queries + i) * self.keys.div_ceil(32) + j / 32];
        (!self.case.lengths || j < self.lengths[b] as usize)
            && (!self.case.causal || j <= self.case.extents[1] + self.token(b, i))
            && (!self.case.bits || word() >> (j % 32) & 1 == 1)
    }

    /// y as the code of the paper has it, `rel_attn_core` of xlnet/modeling.py: the products with all distances, shifted
    /// by taking them for a matrix of other extents.
    pub fn composed(&self, inputs: &[Vec<f64>; 8]) -> Vec<f64> {
        let [batch, _, tokens, heads, width] = self.case.extents;
        let (queries, keys, distances) = (self.queries, self.keys, tokens + self.keys);
        let [q, k, v, r, u, w, m, o] = inputs;
        let threshold = dropout_threshold(self.case.probability);
        // Both as the op is told them, in f32.
        let scale = f64::from(1.0 / (width as f32).sqrt());
        let keep = f64::from(1.0 / (1.0 - self.case.probability));
        let of = |x: &[f64], row: usize, a: usize| x[(row * heads + a) * width..][..width].to_vec();
        let plus =
            |x: &[f64], y: &[f64]| -> Vec<f64> { x.iter().zip(y).map(|(x, y)| x + y).collect() };
        let mut y = vec![0.0; q.len()];
        for (b, a) in (0..batch).flat_map(|b| (0..heads).map(move |a| (b, a))) {
            let query = |i: usize| of(q, b * queries + i, a);
            let mut bd = vec![0.0; tokens * distances];
            for i in 0..queries {
                let row = &mut bd[self.token(b, i) * distances..][..distances];
                for (n, bd) in row.iter_mut().enumerate() {
                    *bd = dot(&plus(&query(i), &of(w, 0, a)), &of(r, n, a));
                }
            }
            // rel_shift: [Q, P] taken for [P, Q], without its first row, taken for [Q, P − 1].
            let bd = &bd[tokens..];
            let shifted = |t: usize, j: usize| bd[t * (distances - 1) + j];
            for i in 0..queries {
                let score = |j: usize| {
                    let ac = dot(&plus(&query(i), &of(u, 0, a)), &of(k, b * keys + j, a));
                    let segments =
                        [self.query_segments[b * queries + i], self.key_segments[b * keys + j]];
                    let ef = if self.case.segments {
                        let other = usize::from(segments[0] != segments[1]);
                        dot(&plus(&query(i), &of(o, 0, a)), &of(m, other, a))
                    } else {
                        0.0
                    };
                    scale * (ac + shifted(self.token(b, i), j) + ef)
                };
                let visible: Vec<usize> = (0..keys).filter(|&j| self.sees(b, i, j)).collect();
                let exps: Vec<f64> = visible.iter().map(|&j| score(j).exp()).collect();
                let total: f64 = exps.iter().sum();
                for (&j, e) in visible.iter().zip(&exps) {
                    let row = (b * queries + i) as u32 + FIRST_ROW;
                    let word = philox([j as u32 / 4, row, SITE, a as u32], KEY)[j % 4];
                    let z = if word < threshold { 0.0 } else { keep };
                    let y = &mut y[((b * queries + i) * heads + a) * width..][..width];
                    for (y, v) in y.iter_mut().zip(of(v, b * keys + j, a)) {
                        *y += z * e / total * v;
                    }
                }
            }
        }
        y
    }

    /// The same where q, k, v and dy are numbers that `format` can hold.
    pub fn rounded_to(mut self, format: Format) -> Self {
        let [q, k, v, ..] = &mut self.inputs;
        for values in [q, k, v, &mut self.dy] {
            *values = cast(&Tensor::f32(&Device::cpu(), [values.len()], values), format).to_f32();
        }
        self
    }

    /// y and every gradient through the op on `device`; zeros for what has none.
    pub fn run(&self, device: &Device) -> [Vec<f32>; 9] {
        self.run_in(device, Format::Word)
    }

    /// The same of q, k, v and dy in `format`.
    fn run_in(&self, device: &Device, format: Format) -> [Vec<f32>; 9] {
        let [batch, _, tokens, heads, width] = self.case.extents;
        let (queries, keys) = (self.queries, self.keys);
        let shapes: [&[usize]; 8] = [
            &[batch, queries, heads, width],
            &[batch, keys, heads, width],
            &[batch, keys, heads, width],
            &[tokens + keys, heads, width],
            &[heads, width],
            &[heads, width],
            &[2, heads, width],
            &[heads, width],
        ];
        let leaves: [Tensor; 8] = std::array::from_fn(|at| {
            let leaf = Tensor::f32(device, shapes[at].to_vec(), &self.inputs[at]);
            if at < 3 { cast(&leaf, format).tracked() } else { leaf.tracked() }
        });
        let [q, k, v, r, u, w, m, o] = &leaves;
        let places = Tensor::u32(device, [batch, queries], &self.places);
        let of_queries = Tensor::u32(device, [batch, queries], &self.query_segments);
        let of_keys = Tensor::u32(device, [batch, keys], &self.key_segments);
        let distances = Distances {
            table: r,
            content_bias: u,
            distance_bias: w,
            places: (self.case.picked > 0).then_some(&places),
        };
        let segments = Segments { table: m, bias: o, of_queries: &of_queries, of_keys: &of_keys };
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
        let dropout = Dropout {
            probability: self.case.probability,
            key: Tensor::u32(device, [2], &KEY),
            site: SITE,
            first_row: FIRST_ROW,
        };
        let y = attention_relative(
            q,
            k,
            v,
            &distances,
            self.case.segments.then_some(&segments),
            &visibility,
            (self.case.probability > 0.0).then_some(&dropout),
        );
        let dy = cast(&Tensor::f32(device, shapes[0].to_vec(), &self.dy), format);
        let gradients = y.backward_with(&dy);
        let mut all = vec![y.to_f32()];
        for leaf in &leaves {
            let zeros = || vec![0.0; leaf.shape().elements()];
            all.push(gradients.get(leaf).map_or_else(zeros, Tensor::to_f32));
        }
        all.try_into().expect("y and eight gradients")
    }

    /// Compares devices with the twins.
    #[track_caller]
    pub fn check(&self, devices: &[Device], tolerance: f64) {
        self.check_in(devices, Format::Word, [tolerance; 9]);
    }

    /// The same of q, k, v and dy in `format`, which can hold them; of [`NAMES`] each has its tolerance.
    #[track_caller]
    pub fn check_in(&self, devices: &[Device], format: Format, tolerances: [f64; 9]) {
        let expected = self.by_twins(&self.wide_inputs());
        for device in devices.iter().filter(|device| device.supports(format)) {
            let actual = self.run_in(device, format);
            for (at, (actual, expected)) in actual.iter().zip(&expected).enumerate() {
                let context = format!("{device:?} {format:?} {:?} {}", self.case, NAMES[at]);
                assert_close(actual, expected, tolerances[at], &context);
            }
        }
    }
}
