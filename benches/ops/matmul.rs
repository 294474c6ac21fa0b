//! matmul: squares for comparison with other libraries, and the layers of BERT forward and backward; a few of both as f16,
//! the way `--precision mixed` has them.

use wgrad_engine::device::Format;
use wgrad_engine::ops::{self, Gelu, Transpose};
use wgrad_engine::reference::gelu_math::gelu;
use wgrad_engine::testing::bench::{Case, Run};
use wgrad_engine::testing::{normal, relative_error};
use wgrad_engine::{Device, Tensor};

/// Squares, and (tokens, in, out) of BERT's layers at 8 × 128 tokens.
pub fn cases() -> Vec<Case> {
    let squares = [256, 512, 1024, 2048].map(|n| square(n, Format::Word));
    let half_squares = [1024, 2048].map(|n| square(n, Format::Half));
    let layers = [
        ("bert_tiny_ffn", 1024, 128, 512),
        ("bert_base_projection", 1024, 768, 768),
        ("bert_base_ffn", 1024, 768, 3072),
        ("bert_base_ffn_down", 1024, 3072, 768),
    ];
    squares
        .into_iter()
        .chain(half_squares)
        .chain(layers.into_iter().flat_map(|layer| [forward(layer), step(layer, Format::Word)]))
        .chain([step(layers[2], Format::Half)])
        .collect()
}

type Layer = (&'static str, usize, usize, usize);

/// What a shape is followed by.
fn suffix(format: Format) -> &'static str {
    match format {
        Format::Word => "",
        Format::Half => ", f16",
    }
}

/// Words of so many elements.
fn words(format: Format, elements: usize) -> u64 {
    format.words(elements) as u64
}

fn square(n: usize, format: Format) -> Case {
    Case {
        stem: "matmul",
        name: "square",
        shape: format!("{n}x{n}x{n}{}", suffix(format)),
        flops: 2 * (n as u64).pow(3),
        words: words(format, 3 * n * n),
        prepare: Box::new(move |device| {
            let tensor =
                |seed| ops::cast(&Tensor::f32(device, [n, n], &normal(n * n, seed)), format);
            let (left, right) = (tensor(1), tensor(2));
            let (a, b) = (left.to_f32(), right.to_f32());
            let element = |i: usize, j: usize| {
                (0..n).map(|k| f64::from(a[i * n + k]) * f64::from(b[k * n + j])).sum()
            };
            let multiply = move || ops::matmul(&left, &right, Transpose::Neither);
            let error = sampled_error(&multiply(), element);
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
            let layer = Inputs::new(device, (name, tokens, inner, columns), Format::Word);
            let error = layer.error();
            let step =
                move || drop(ops::linear_gelu(&layer.x, &layer.weight, &layer.bias, Gelu::Erf));
            Run { step: Box::new(step), error, workspace_bytes: 4 * (tokens * columns) as u64 }
        }),
    }
}

/// The same layer forward and backward, all three gradients.
fn step((name, tokens, inner, columns): Layer, format: Format) -> Case {
    Case {
        stem: "matmul",
        name,
        shape: format!(
            "[{tokens}, {inner}] -> {columns}, GELU, forward and backward{}",
            suffix(format)
        ),
        flops: 6 * (tokens * inner * columns) as u64,
        // The gradient of the weight is f32 whatever the rest is.
        words: words(format, 3 * tokens * inner + 2 * inner * columns + 5 * tokens * columns)
            + (inner * columns) as u64,
        prepare: Box::new(move |device| {
            let layer = Inputs::new(device, (name, tokens, inner, columns), format);
            let error = layer.error();
            let (x, weight) = (layer.x.tracked(), layer.weight.tracked());
            let bias = layer.bias.tracked();
            let dy = Tensor::f32(device, [tokens, columns], &normal(tokens * columns, 4));
            let dy = ops::cast(&dy, format);
            let step = move || {
                drop(ops::linear_gelu(&x, &weight, &bias, Gelu::Erf).backward_with(&dy));
            };
            Run {
                step: Box::new(step),
                error,
                workspace_bytes: 4 * words(format, 2 * tokens * columns),
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
    fn new(device: &Device, (_, tokens, inner, columns): Layer, format: Format) -> Self {
        let of = |shape: [usize; 2], seed| {
            ops::cast(&Tensor::f32(device, shape, &normal(shape.iter().product(), seed)), format)
        };
        let bias = Tensor::f32(device, [columns], &normal(columns, 3));
        Self { x: of([tokens, inner], 1), weight: of([columns, inner], 2), bias }
    }

    fn error(&self) -> f64 {
        let y = ops::linear_gelu(&self.x, &self.weight, &self.bias, Gelu::Erf);
        let (_, inner) = self.x.shape().rows_and_last();
        let [x, weight, bias] = [&self.x, &self.weight, &self.bias].map(Tensor::to_f32);
        sampled_error(&y, |i, j| {
            let products =
                (0..inner).map(|k| f64::from(x[i * inner + k]) * f64::from(weight[j * inner + k]));
            gelu(products.sum::<f64>() + f64::from(bias[j]), 0)
        })
    }
}

/// Largest relative error over a thousand elements spread over the matrix; of f16s, what is left of each when its own
/// rounding is taken off.
fn sampled_error(actual: &Tensor, element: impl Fn(usize, usize) -> f64) -> f64 {
    let (rows, columns) = actual.shape().rows_and_last();
    let rounding = match actual.format() {
        Format::Word => 0.0,
        Format::Half => 1.0 / 2048.0,
    };
    let actual = actual.to_f32();
    let places = (0..1000).map(|at| (at * 7919 % rows, at * 104_729 % columns));
    let pairs = places.map(|(i, j)| {
        let (found, expected) = (f64::from(actual[i * columns + j]), element(i, j));
        let room = rounding * expected.abs();
        (expected + (found - (found.clamp(expected - room, expected + room))), expected)
    });
    let (actual, expected): (Vec<f64>, Vec<f64>) = pairs.unzip();
    relative_error(&actual, &expected)
}
