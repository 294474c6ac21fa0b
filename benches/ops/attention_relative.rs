//! attention_relative: as XLNet calls it, with distances and segments.

use wgrad_engine::ops::{Distances, Segments, Visibility, attention_relative};
use wgrad_engine::testing::bench::{Case, Run};
use wgrad_engine::testing::{normal, relative_error, wide};
use wgrad_engine::{Device, Tensor};

/// B, T, A and D.
type Extents = [usize; 4];

/// XLNet-base at a usual length and at its longest.
const SHAPES: [(&str, Extents); 2] =
    [("xlnet_base_128", [4, 128, 12, 64]), ("xlnet_base_512", [1, 512, 12, 64])];
/// Most bytes of a chunk's weights and their gradients, which the op makes on emulated GPUs alone.
const CHUNK_BYTES: usize = 64 << 20;

/// Forward alone, and with the way back.
pub fn cases() -> Vec<Case> {
    SHAPES.into_iter().flat_map(|(name, e)| [case(name, e, false), case(name, e, true)]).collect()
}

fn case(name: &'static str, extents: Extents, is_training: bool) -> Case {
    let [b, t, a, d] = extents.map(|n| n as u64);
    let (product, matrix) = (2 * b * a * t * t * d, b * t * a * d);
    let suffix = if is_training { "forward+backward" } else { "forward" };
    Case {
        stem: "attention_relative",
        name,
        shape: format!("B {b}, T {t}, A {a}, D {d}, {suffix}"),
        // Content 1, distances 1, output 1; the first two again, dP 1, dQ 2, dK 1, dV 1, dR 1, if no weight is made twice.
        flops: if is_training { (3 + 8) * product } else { 3 * product },
        words: if is_training { (6 + 6 + 6) * matrix } else { 6 * matrix },
        prepare: Box::new(move |device| prepare(device, extents, is_training)),
    }
}

fn prepare(device: &Device, extents: Extents, is_training: bool) -> Run {
    let [batch, tokens, heads, width] = extents;
    let (words, plane) = (extents.iter().product::<usize>(), heads * width);
    let [q, k, v, dy] = [1, 2, 3, 4].map(|seed| normal(words, seed));
    let table = normal(2 * tokens * plane, 5);
    let ids: Vec<u32> = (0..batch * tokens).map(|at| (at % tokens * 2 / tokens) as u32).collect();
    let [q_in, k_in, v_in] = [&q, &k, &v].map(|x| Tensor::f32(device, extents, x).tracked());
    let dy = Tensor::f32(device, extents, &dy);
    let table_in = Tensor::f32(device, [2 * tokens, heads, width], &table).tracked();
    let bias = Tensor::f32(device, [heads, width], &vec![0.0; plane]).tracked();
    let segments = Tensor::f32(device, [2, heads, width], &vec![0.0; 2 * plane]).tracked();
    let ids = Tensor::u32(device, [batch, tokens], &ids);
    let forward = move || {
        let distances =
            Distances { table: &table_in, content_bias: &bias, distance_bias: &bias, places: None };
        let segments = Segments { table: &segments, bias: &bias, of_queries: &ids, of_keys: &ids };
        let all = Visibility::all();
        attention_relative(&q_in, &k_in, &v_in, &distances, Some(&segments), &all, None)
    };
    let expected = first_row([&q, &k, &v, &table], extents);
    let error = relative_error(&forward().to_f32()[..width], &expected);
    let step: Box<dyn FnMut()> = if is_training {
        Box::new(move || drop(forward().backward_with(&dy)))
    } else {
        Box::new(move || drop(wgrad_engine::no_grad(&forward)))
    };
    // Four bits a score of one head, twice in backward, and what each item adds to the table.
    let notes = 4 * batch * tokens * (2 + 4 * tokens.div_ceil(32) + heads);
    let of_items = if is_training { notes + 4 * 2 * words } else { 0 };
    let is_emulated = device.is_software() && !device.is_cpu();
    let chunk = if is_emulated { chunk_bytes(extents, is_training) } else { 0 };
    Run { step, error, workspace_bytes: (notes + of_items + chunk) as u64 }
}

/// Products with the distances that a quarter of the queries meet, of at most so many heads; in training also z·p and G.
fn chunk_bytes([batch, tokens, heads, _]: Extents, is_training: bool) -> usize {
    let by_key = 4 * 2 * tokens * tokens;
    let matrices = (batch * heads).min(CHUNK_BYTES / by_key);
    let queries = tokens.div_ceil(4).next_multiple_of(64).min(tokens);
    let by_distance = 4 * queries * (tokens + queries);
    matrices * if is_training { by_distance + by_key } else { by_distance }
}

/// y of head 0 of the first token, with no biases and no segments, plainly.
fn first_row([q, k, v, table]: [&[f32]; 4], [_, tokens, heads, width]: Extents) -> Vec<f64> {
    let q = wide(&q[..width]);
    let row = |x: &[f32], at: usize| wide(&x[at * heads * width..][..width]);
    let dot = |x: &[f64]| q.iter().zip(x).map(|(q, x)| q * x).sum::<f64>();
    let score = |j: usize| (dot(&row(k, j)) + dot(&row(table, j + tokens))) / (width as f64).sqrt();
    let exps: Vec<f64> = (0..tokens).map(|j| score(j).exp()).collect();
    let total: f64 = exps.iter().sum();
    let mut y = vec![0.0; width];
    for (j, e) in exps.iter().enumerate() {
        for (y, v) in y.iter_mut().zip(row(v, j)) {
            *y += e / total * v;
        }
    }
    y
}
