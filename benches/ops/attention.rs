//! attention: the fused forward, and both walks of the backward.

use wgrad_engine::ops::{self, Visibility};
use wgrad_engine::params::{attention as forward, attention_backward as backward};
use wgrad_engine::reference::{attention as twin, attention_backward as twin_backward};
use wgrad_engine::testing::bench::{Case, Run};
use wgrad_engine::testing::{normal, relative_error, wide};
use wgrad_engine::{Device, Tensor};

/// B, T, A and D.
type Extents = [usize; 4];

/// Rows of BERT-tiny and BERT-base, at the usual length and at the longest.
const SHAPES: [(&str, Extents); 3] = [
    ("bert_tiny_128", [8, 128, 2, 64]),
    ("bert_base_128", [8, 128, 12, 64]),
    ("bert_base_512", [4, 512, 12, 64]),
];

/// Columns at the end of every row that the mask of a masked case hides.
const HIDDEN: usize = 5;

/// What one step does.
#[derive(Clone, Copy)]
struct Work {
    is_training: bool,
    /// Whether rows see by a mask of bits, or every column.
    is_masked: bool,
}

/// Forward alone, and with the way back; by a mask of bits, too.
pub fn cases() -> Vec<Case> {
    let works = [(false, false), (true, false), (false, true), (true, true)]
        .map(|(is_training, is_masked)| Work { is_training, is_masked });
    let cases = |(name, extents)| works.map(|work| case(name, extents, work));
    SHAPES.into_iter().flat_map(cases).collect()
}

fn case(name: &'static str, extents: Extents, work: Work) -> Case {
    let [b, t, a, d] = extents.map(|n| n as u64);
    let (product, matrix) = (2 * b * a * t * t * d, b * t * a * d);
    let Work { is_training, is_masked } = work;
    let suffix = if is_training { "forward+backward" } else { "forward" };
    let mask = if is_masked { "mask, " } else { "" };
    Case {
        stem: "attention",
        name,
        shape: format!("B {b}, T {t}, A {a}, D {d}, {mask}{suffix}"),
        // Scores and outputs; then scores again in both walks: three products for dQ, four for dK and dV.
        flops: if is_training { 9 * product } else { 2 * product },
        // q, k, v → y; y, dy; q, k, v, dy → dq; q, k, v, dy → dk, dv.
        words: if is_training { (4 + 2 + 5 + 6) * matrix } else { 4 * matrix },
        prepare: Box::new(move |device| prepare(device, extents, work)),
    }
}

fn prepare(device: &Device, extents: Extents, Work { is_training, is_masked }: Work) -> Run {
    let [batch, tokens, heads, _] = extents;
    let bits = mask(batch, tokens);
    let words = extents.iter().product();
    let inputs = [1, 2, 3, 4].map(|seed| normal(words, seed));
    let [q, k, v, dy] = inputs.each_ref().map(|values| Tensor::f32(device, extents, values));
    let [q, k, v] = [q.tracked(), k.tracked(), v.tracked()];
    let seen = match is_masked {
        false => Visibility::all(),
        true => Visibility::all().and_bits(device, [batch, tokens, tokens], &bits),
    };
    let y = ops::attention(&q, &k, &v, &seen, None);
    let gradients = y.backward_with(&dy);
    let gradient = |leaf| gradients.get(leaf).expect("q, k and v are tracked").to_f32();
    let actual = [y.to_f32(), gradient(&q), gradient(&k), gradient(&v)];
    let expected = first_item(&inputs, extents, is_masked.then_some(&bits[..bits.len() / batch]));
    let errors = actual
        .iter()
        .zip(&expected)
        .map(|(actual, expected)| relative_error(&actual[..expected.len()], expected));
    let error = errors.fold(0.0, f64::max);
    let step: Box<dyn FnMut()> = if is_training {
        Box::new(move || drop(ops::attention(&q, &k, &v, &seen, None).backward_with(&dy)))
    } else {
        let [q, k, v] = [q.detach(), k.detach(), v.detach()];
        Box::new(move || drop(ops::attention(&q, &k, &v, &seen, None)))
    };
    // log Σ exp a row and head; backward's notes have two floats, two for each word of the mask, and a few words more.
    let rows = batch * heads * tokens;
    let notes = 2 * rows + if is_masked { 2 * bits.len() } else { 0 };
    let floats = rows + if is_training { notes } else { 0 };
    Run { step, error, workspace_bytes: 4 * floats as u64 }
}

/// A bit a column for every row of every item, all set but the last [`HIDDEN`].
fn mask(batch: usize, tokens: usize) -> Vec<u32> {
    let word = |first: usize| {
        (0..32).filter(|j| first + j + HIDDEN < tokens).fold(0, |word, j| word | 1 << j)
    };
    let row: Vec<u32> = (0..tokens).step_by(32).map(word).collect();
    row.repeat(batch * tokens)
}

/// y, dq, dk and dv of item 0 by the twins, in f64.
fn first_item(
    inputs: &[Vec<f32>; 4],
    [_, tokens, heads, width]: Extents,
    bits: Option<&[u32]>,
) -> [Vec<f64>; 4] {
    let words = tokens * heads * width;
    let [q, k, v, dy] = inputs.each_ref().map(|values| wide(&values[..words]));
    let params = forward::Params {
        batch: 1,
        queries: tokens as u32,
        keys: tokens as u32,
        heads: heads as u32,
        width: width as u32,
        scale: 1.0 / (width as f32).sqrt(),
        causal: 0,
        has_lengths: 0,
        has_bits: bits.is_some() as u32,
        threshold: 0,
        keep_scale: 1.0,
        site: 0,
        first_row: 0,
    };
    let (chunks, key, bits) = (width.div_ceil(32) as u32, [0, 0], bits.unwrap_or_default());
    let (mut y, mut lse) = (vec![0.0; words], vec![0.0; tokens * heads]);
    let reads = (&q[..], &k[..], &v[..], &[][..], bits, &key[..]);
    twin::forward(&params, &forward::Constants { chunks }, reads, (&mut y, &mut lse));

    let params: backward::Params = bytemuck::cast(params);
    let constants = backward::Constants { chunks };
    let mut notes = vec![0.0; 4 + 1 + 2 * heads * tokens + 2 * bits.len()];
    let reads = (&y[..], &dy[..], &lse[..], &[][..], bits, &key[..]);
    twin_backward::backward_rows(&params, &constants, reads, &mut notes);
    let [mut dq, mut dk, mut dv] = [(); 3].map(|()| vec![0.0; words]);
    let reads = (&q[..], &k[..], &v[..], &dy[..], &notes[..]);
    twin_backward::backward_queries(&params, &constants, reads, &mut dq);
    twin_backward::backward_keys(&params, &constants, reads, (&mut dk, &mut dv));
    [y, dq, dk, dv]
}
