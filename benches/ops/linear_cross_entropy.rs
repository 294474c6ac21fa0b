//! linear_cross_entropy: the head of a masked language model, loss and all gradients.

use wgrad_engine::ops::{Targets, linear_cross_entropy};
use wgrad_engine::params::linear_cross_entropy::Params;
use wgrad_engine::reference::linear_cross_entropy as twin;
use wgrad_engine::testing::bench::{Case, Run};
use wgrad_engine::testing::{normal, relative_error, wide};
use wgrad_engine::{Device, Tensor};

use super::rows_of_chunk;

const VOCABULARY: usize = 30_522;
/// Rows whose gradient is checked.
const CHECKED: usize = 2;

/// The labelled 15 % of 8 × 128 tokens, and all of them.
pub fn cases() -> Vec<Case> {
    [
        ("bert_tiny_labels", 154, 128),
        ("bert_base_labels", 154, 768),
        ("bert_tiny_all_tokens", 1024, 128),
        ("bert_base_all_tokens", 1024, 768),
    ]
    .map(case)
    .into()
}

fn case((name, rows, width): (&'static str, usize, usize)) -> Case {
    let [r, h, v] = [rows, width, VOCABULARY].map(|n| n as u64);
    Case {
        stem: "linear_cross_entropy",
        name,
        shape: format!("[{rows}, {width}] → {VOCABULARY}, forward+backward"),
        flops: 3 * 2 * r * h * v + 9 * r * v,
        // Inputs are read, gradients of the same shapes written.
        words: 2 * (r * h + v * h + v),
        prepare: Box::new(move |device| prepare(device, rows, width)),
    }
}

fn prepare(device: &Device, rows: usize, width: usize) -> Run {
    let (hidden, weight) = (normal(rows * width, 1), normal(VOCABULARY * width, 2));
    // Small scores, as a model's are: the softmax of large ones is one-hot and hides errors.
    let weight: Vec<f32> = weight.iter().map(|w| 0.02 * w).collect();
    let bias: Vec<f32> = normal(VOCABULARY, 3);
    let classes: Vec<u32> = (0..rows).map(|row| (row * 197 % VOCABULARY) as u32).collect();
    let expected = dhidden(&hidden, &weight, &bias, &classes);
    let leaf = |shape: &[usize], values| Tensor::f32(device, shape, values).tracked();
    let hidden = leaf(&[rows, width], &hidden);
    let weight = leaf(&[VOCABULARY, width], &weight);
    let bias = leaf(&[VOCABULARY], &bias);
    let targets = Targets::new(device, &classes, VOCABULARY);
    let mut gradients = linear_cross_entropy(&hidden, &weight, Some(&bias), &targets).backward();
    let actual = gradients.take(&hidden).expect("hidden is tracked").to_f32();
    let error = relative_error(&actual[..CHECKED * width], &expected);
    let step = Box::new(move || {
        drop(linear_cross_entropy(&hidden, &weight, Some(&bias), &targets).backward());
    });
    // The logits of one chunk of rows and three floats a row; with several chunks, what one adds to 32 MiB of dW at a time.
    let chunk = rows_of_chunk(rows, VOCABULARY);
    let share = if chunk < rows { (4 * VOCABULARY * width).min(32 << 20) } else { 0 };
    Run { step, error, workspace_bytes: (4 * chunk * VOCABULARY + 12 * rows + share) as u64 }
}

/// The gradient of the first rows in f64: plain products around the twins.
fn dhidden(hidden: &[f32], weight: &[f32], bias: &[f32], classes: &[u32]) -> Vec<f64> {
    let width = hidden.len() / classes.len();
    let (hidden, weight) = (wide(&hidden[..CHECKED * width]), wide(weight));
    let mut scores = Vec::with_capacity(CHECKED * VOCABULARY);
    for hidden in hidden.chunks(width) {
        for (weight, bias) in weight.chunks(width).zip(bias) {
            let product: f64 = hidden.iter().zip(weight).map(|(h, w)| h * w).sum();
            scores.push(product + f64::from(*bias));
        }
    }
    let params = Params {
        rows: CHECKED as u32,
        vocabulary: VOCABULARY as u32,
        accumulates: 0,
        weights: 0,
        smoothing: 0.0,
    };
    let [mut row_max, mut row_sum, mut row_losses] = [(); 3].map(|()| vec![0.0; CHECKED]);
    let row_weight = [1.0 / classes.len() as f64];
    let classes = &classes[..CHECKED];
    let writes = (&mut row_max[..], &mut row_sum[..], &mut row_losses[..]);
    twin::forward(&params, (classes, &scores), writes);
    let reads = (classes, &row_weight[..], &row_max[..], &row_sum[..]);
    twin::backward_logits(&params, reads, &mut scores);
    let mut dhidden = vec![0.0; CHECKED * width];
    for (dhidden, scores) in dhidden.chunks_mut(width).zip(scores.chunks(VOCABULARY)) {
        for (gradient, weight) in scores.iter().zip(weight.chunks(width)) {
            dhidden.iter_mut().zip(weight).for_each(|(sum, w)| *sum += gradient * w);
        }
    }
    dhidden
}
