//! matmul: squares for comparison with other libraries, and the layers of BERT forward and backward.

use wgrad_engine::ops::{self, Gelu, Transpose};
use wgrad_engine::reference::gelu_math::gelu;
use wgrad_engine::testing::bench::{Case, Run};
use wgrad_engine::testing::{normal, relative_error};
use wgrad_engine::{Device, Tensor};

/// Squares, and (tokens, in, out) of BERT's layers at 8 × 128 tokens.
pub fn cases() -> Vec<Case> {
    let squares = [256, 512, 1024, 2048].map(square);
    let layers = [
        ("bert_tiny_ffn", 1024, 128, 512),
        ("bert_base_projection", 1024, 768, 768),
        ("bert_base_ffn", 1024, 768, 3072),
        ("bert_base_ffn_down", 1024, 3072, 768),
    ];
    squares
        .into_iter()
        .chain(layers.into_iter().flat_map(|layer| [forward(layer), step(layer)]))
        .collect()
}

type Layer = (&'static str, usize, usize, usize);

fn square(n: usize) -> Case {
    Case {
        stem: "matmul",
        name: "square",
        shape: format!("{n}x{n}x{n}"),
        flops: 2 * (n as u64).pow(3),
        words: 3 * (n * n) as u64,
        prepare: Box::new(move |device| {
            let (a, b) = (normal(n * n, 1), normal(n * n, 2));
            let element = |i: usize, j: usize| {
                (0..n).map(|k| f64::from(a[i * n + k]) * f64::from(b[k * n + j])).sum()
            };
            let tensor = |values| Tensor::f32(device, [n, n], values);
            let (left, right) = (tensor(&a), tensor(&b));
            let multiply = move || ops::matmul(&left, &right, Transpose::Neither);
            let error = sampled_error(&multiply().to_f32(), [n, n], element);
            Run { step: Box::new(move || drop(multiply())), error, workspace_bytes: 0 }
        }),
    }
}

/// A layer under GELU, without a graph.
fn forward((name, tokens, inner, columns): Layer) -> Case {
    Case {
        stem: "matmul",
        name,
        shape: format!("[{tokens}, {inner}] -> {columns}, GELU"),
        flops: 2 * (tokens * inner * columns) as u64,
        words: (tokens * inner + inner * columns + 2 * tokens * columns) as u64,
        prepare: Box::new(move |device| {
            let layer = Inputs::new(device, tokens, inner, columns);
            let step =
                move || drop(ops::linear_gelu(&layer.x, &layer.weight, &layer.bias, Gelu::Erf));
            Run {
                step: Box::new(step),
                error: layer_error(device, tokens, inner, columns),
                workspace_bytes: 4 * (tokens * columns) as u64,
            }
        }),
    }
}

/// The same layer forward and backward, all three gradients.
fn step((name, tokens, inner, columns): Layer) -> Case {
    Case {
        stem: "matmul",
        name,
        shape: format!("[{tokens}, {inner}] -> {columns}, GELU, forward and backward"),
        flops: 6 * (tokens * inner * columns) as u64,
        words: (3 * tokens * inner + 3 * inner * columns + 5 * tokens * columns) as u64,
        prepare: Box::new(move |device| {
            let layer = Inputs::new(device, tokens, inner, columns);
            let (x, weight) = (layer.x.tracked(), layer.weight.tracked());
            let bias = layer.bias.tracked();
            let dy = Tensor::f32(device, [tokens, columns], &normal(tokens * columns, 4));
            let step = move || {
                drop(ops::linear_gelu(&x, &weight, &bias, Gelu::Erf).backward_with(&dy));
            };
            Run {
                step: Box::new(step),
                error: layer_error(device, tokens, inner, columns),
                workspace_bytes: 4 * (2 * tokens * columns) as u64,
            }
        }),
    }
}

struct Inputs {
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
}

impl Inputs {
    fn new(device: &Device, tokens: usize, inner: usize, columns: usize) -> Self {
        Self {
            x: Tensor::f32(device, [tokens, inner], &normal(tokens * inner, 1)),
            weight: Tensor::f32(device, [columns, inner], &normal(columns * inner, 2)),
            bias: Tensor::f32(device, [columns], &normal(columns, 3)),
        }
    }
}

fn layer_error(device: &Device, tokens: usize, inner: usize, columns: usize) -> f64 {
    let layer = Inputs::new(device, tokens, inner, columns);
    let y = ops::linear_gelu(&layer.x, &layer.weight, &layer.bias, Gelu::Erf).to_f32();
    let (x, weight, bias) = (layer.x.to_f32(), layer.weight.to_f32(), layer.bias.to_f32());
    sampled_error(&y, [tokens, columns], |i, j| {
        let products =
            (0..inner).map(|k| f64::from(x[i * inner + k]) * f64::from(weight[j * inner + k]));
        gelu(products.sum::<f64>() + f64::from(bias[j]), 0)
    })
}

/// Largest relative error over a thousand elements spread over the matrix.
fn sampled_error(
    actual: &[f32],
    [rows, columns]: [usize; 2],
    element: impl Fn(usize, usize) -> f64,
) -> f64 {
    let places = (0..1000).map(|at| (at * 7919 % rows, at * 104_729 % columns));
    let (actual, expected): (Vec<f32>, Vec<f64>) =
        places.map(|(i, j)| (actual[i * columns + j], element(i, j))).unzip();
    relative_error(&actual, &expected)
}
