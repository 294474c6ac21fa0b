//! l2_normalize: bandwidth, forward and backward.

use wgrad_engine::params::l2_normalize::Params;
use wgrad_engine::reference::l2_normalize as twin;
use wgrad_engine::testing::bench::{Case, Run};
use wgrad_engine::testing::{normal, relative_error, wide};
use wgrad_engine::{Device, Tensor, ops};

const EPSILON: f32 = 1e-12;

/// The vectors of contrastive batches, as BERT-tiny and BERT-base make them.
pub fn cases() -> Vec<Case> {
    [("bert_tiny_batch", 1024, 128), ("bert_base_batch", 4096, 768)].map(case).into()
}

fn case((name, rows, channels): (&'static str, usize, usize)) -> Case {
    let n = (rows * channels) as u64;
    Case {
        stem: "l2_normalize",
        name,
        shape: format!("[{rows}, {channels}] forward+backward"),
        flops: 8 * n,
        words: 5 * n,
        prepare: Box::new(move |device| prepare(device, rows, channels)),
    }
}

fn prepare(device: &Device, rows: usize, channels: usize) -> Run {
    let tensor = |values: &[f32]| Tensor::f32(device, [rows, channels], values);
    let (values, dvalues) = (normal(rows * channels, 1), normal(rows * channels, 2));
    let (x, dy) = (tensor(&values).tracked(), tensor(&dvalues));
    let params = Params { rows: rows as u32, channels: channels as u32, epsilon: EPSILON };
    let (mut y, mut norm) = (vec![0.0; values.len()], vec![0.0; rows]);
    twin::forward(&params, &wide(&values), (&mut y, &mut norm));
    let mut expected = vec![0.0; values.len()];
    twin::backward(&params, (&y, &norm, &wide(&dvalues)), &mut expected);
    let gradients = ops::l2_normalize(&x, EPSILON).backward_with(&dy);
    let dx = gradients.get(&x).expect("x is tracked").to_f32();
    let error = relative_error(&dx, &expected);
    let step = Box::new(move || drop(ops::l2_normalize(&x, EPSILON).backward_with(&dy)));
    Run { step, error, workspace_bytes: 4 * rows as u64 }
}
