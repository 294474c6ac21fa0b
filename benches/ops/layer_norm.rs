//! layer_norm: bandwidth; the gradients of γ and β read the rows once more.

use wgrad_engine::params::layer_norm::Params;
use wgrad_engine::random::Dropout;
use wgrad_engine::reference::layer_norm as twin;
use wgrad_engine::testing::bench::{Case, Run};
use wgrad_engine::testing::{normal, relative_error, wide};
use wgrad_engine::{Device, Tensor, ops};

/// BERT-base's rows at 8 × 128 tokens and at 64 × 128, and the hidden state of BERT-tiny.
const SHAPES: [(&str, usize, usize); 3] = [
    ("bert_base_hidden", 1024, 768),
    ("bert_base_hidden_large_batch", 8192, 768),
    ("bert_tiny_hidden", 1024, 128),
];

/// Alone as in Ba et al., and as BERT has it: with residual, dropout and the way back.
pub fn cases() -> Vec<Case> {
    let forward = SHAPES.map(|shape| case(shape, Work::Forward));
    let both = SHAPES.map(|shape| case(shape, Work::Both));
    let block = SHAPES.map(|shape| case(shape, Work::Block));
    forward.into_iter().chain(both).chain(block).collect()
}

/// What one step does.
#[derive(Clone, Copy, PartialEq)]
enum Work {
    Forward,
    Both,
    Block,
}

fn case((name, rows, channels): (&'static str, usize, usize), work: Work) -> Case {
    let n = (rows * channels) as u64;
    let (suffix, flops, moves) = match work {
        Work::Forward => ("forward", 8, 2),
        Work::Both => ("forward+backward", 8 + 8 + 5, 2 + 3 + 2),
        Work::Block => ("residual+dropout, forward+backward", 8 + 8 + 5, 4 + 4 + 2),
    };
    Case {
        stem: "layer_norm",
        name,
        shape: format!("[{rows}, {channels}] {suffix}"),
        flops: flops * n,
        words: moves * n,
        prepare: Box::new(move |device| prepare(device, rows, channels, work)),
    }
}

fn prepare(device: &Device, rows: usize, channels: usize, work: Work) -> Run {
    let hidden = |seed| Tensor::f32(device, [rows, channels], &normal(rows * channels, seed));
    let vector = |seed| Tensor::f32(device, [channels], &normal(channels, seed)).tracked();
    let (x, residual, dy) = (hidden(1).tracked(), hidden(2).tracked(), hidden(5));
    let (gamma, beta) = (vector(3), vector(4));
    let error = error(device, rows.min(64), channels);
    let key = Tensor::u32(device, [2], &[1, 2]);
    let dropout = Dropout { probability: 0.1, key, site: 0, first_row: 0 };
    let step = move || {
        let block = work == Work::Block;
        let (residual, dropout) = (block.then_some(&residual), block.then_some(&dropout));
        let y = ops::layer_norm(&x, residual, dropout, &gamma, &beta, 1e-12);
        if work != Work::Forward {
            drop(y.backward_with(&dy));
        }
    };
    // Two tensors of partial sums, at most 128 strips.
    let workspace_bytes = if work == Work::Forward { 0 } else { 8 * 128 * channels as u64 };
    Run { step: Box::new(step), error, workspace_bytes }
}

/// Against the f64 twin, on the first rows.
fn error(device: &Device, rows: usize, channels: usize) -> f64 {
    let (x, gamma, beta) = (normal(rows * channels, 1), normal(channels, 3), normal(channels, 4));
    let params = Params {
        rows: rows as u32,
        channels: channels as u32,
        epsilon: 1e-12,
        has_residual: 0,
        site: 0,
        first_row: 0,
        threshold: 0,
        keep_scale: 1.0,
        strip_rows: 16,
        strips: rows.div_ceil(16) as u32,
    };
    let (mut expected, mut moments) = (vec![0.0; x.len()], vec![0.0; 2 * rows]);
    let reads = (&wide(&x)[..], &wide(&gamma)[..], &wide(&beta)[..]);
    twin::forward(&params, reads, (&mut expected, &mut moments));
    let vector = |values: &[f32]| Tensor::f32(device, [channels], values);
    let x = Tensor::f32(device, [rows, channels], &x);
    let y = ops::layer_norm(&x, None, None, &vector(&gamma), &vector(&beta), 1e-12);
    relative_error(&y.to_f32(), &expected)
}
