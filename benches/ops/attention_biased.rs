//! attention_biased: as T5 calls it, with a bias for each head that all items share.

use wgrad_engine::ops::{Visibility, attention_biased};
use wgrad_engine::testing::bench::{Case, Run};
use wgrad_engine::testing::{normal, relative_error, wide};
use wgrad_engine::{Device, Tensor};

/// B, T, A and D.
type Extents = [usize; 4];

/// T5-small at a usual length and at its longest.
const SHAPES: [(&str, Extents); 2] =
    [("t5_small", [8, 128, 8, 64]), ("t5_small_512", [2, 512, 8, 64])];
/// Most bytes of a chunk's scores, as the op has it.
const CHUNK_BYTES: usize = 64 << 20;

/// Forward alone, and with the way back.
pub fn cases() -> Vec<Case> {
    SHAPES.into_iter().flat_map(|(name, e)| [case(name, e, false), case(name, e, true)]).collect()
}

fn case(name: &'static str, extents: Extents, is_training: bool) -> Case {
    let [b, t, a, d] = extents.map(|n| n as u64);
    let (product, matrix, bias) = (2 * b * a * t * t * d, b * t * a * d, a * t * t);
    let suffix = if is_training { "forward+backward" } else { "forward" };
    Case {
        stem: "attention_biased",
        name,
        shape: format!("B {b}, T {t}, A {a}, D {d}, {suffix}"),
        // Scores and outputs; scores again, dP, dQ, dK and dV.
        flops: if is_training { (2 + 5) * product } else { 2 * product },
        // q, k, v, bias → y; q, k, v, bias, dy → dq, dk, dv, dbias.
        words: if is_training { (4 + 7) * matrix + 3 * bias } else { 4 * matrix + bias },
        prepare: Box::new(move |device| prepare(device, extents, is_training)),
    }
}

fn prepare(device: &Device, extents: Extents, is_training: bool) -> Run {
    let [batch, tokens, heads, width] = extents;
    let words: usize = extents.iter().product();
    let [mut q, k, v, dy] = [1, 2, 3, 4].map(|seed| normal(words, seed));
    // T5 does not scale the products: its queries are small.
    q.iter_mut().for_each(|q| *q /= (width as f32).sqrt());
    let bias = normal(heads * tokens * tokens, 5);
    let [q_in, k_in, v_in] = [&q, &k, &v].map(|x| Tensor::f32(device, extents, x).tracked());
    let dy = Tensor::f32(device, extents, &dy);
    let bias_in = Tensor::f32(device, [1, heads, tokens, tokens], &bias).tracked();
    let forward =
        move || attention_biased(&q_in, &k_in, &v_in, &bias_in, 1.0, &Visibility::all(), None);
    let expected = first_row([&q, &k, &v, &bias], extents);
    let error = relative_error(&forward().to_f32()[..width], &expected);
    let step: Box<dyn FnMut()> = if is_training {
        Box::new(move || drop(forward().backward_with(&dy)))
    } else {
        Box::new(move || drop(wgrad_engine::no_grad(&forward)))
    };
    let scores = (4 * batch * heads * tokens * tokens).min(CHUNK_BYTES);
    // The chunk's q and k, then v and y; backward has q, dy, k, v, and then one result in the place of v.
    let rows = 4 * words * if is_training { 4 } else { 2 };
    let matrices = if is_training { 2 } else { 1 };
    Run { step, error, workspace_bytes: (matrices * scores + rows) as u64 }
}

/// y of head 0 of the first token, plainly.
fn first_row([q, k, v, bias]: [&[f32]; 4], [_, tokens, heads, width]: Extents) -> Vec<f64> {
    let q = wide(&q[..width]);
    let row = |x: &[f32], at: usize| wide(&x[at * heads * width..][..width]);
    let dot = |x: &[f64]| q.iter().zip(x).map(|(q, x)| q * x).sum::<f64>();
    let exps: Vec<f64> =
        (0..tokens).map(|j| (dot(&row(k, j)) + f64::from(bias[j])).exp()).collect();
    let total: f64 = exps.iter().sum();
    let mut y = vec![0.0; width];
    for (j, e) in exps.iter().enumerate() {
        for (y, v) in y.iter_mut().zip(row(v, j)) {
            *y += e / total * v;
        }
    }
    y
}
