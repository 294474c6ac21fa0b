//! softmax: bandwidth, forward and backward.

use wgrad_engine::params::softmax::Params;
use wgrad_engine::reference::softmax as twin;
use wgrad_engine::testing::bench::{Case, Run};
use wgrad_engine::testing::{normal, relative_error, wide};
use wgrad_engine::{Device, Tensor, ops};

/// A teacher's scores of candidates, and attention weights as plain ops would make them.
pub fn cases() -> Vec<Case> {
    [("distillation", 512, 64), ("attention_weights", 12_288, 128)].map(case).into()
}

fn case((name, rows, channels): (&'static str, usize, usize)) -> Case {
    let n = (rows * channels) as u64;
    Case {
        stem: "softmax",
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
    let params = Params { rows: rows as u32, channels: channels as u32 };
    let mut y = vec![0.0; values.len()];
    twin::forward(&params, &wide(&values), &mut y);
    let mut expected = vec![0.0; values.len()];
    twin::backward(&params, (&y, &wide(&dvalues)), &mut expected);
    let gradients = ops::softmax(&x).backward_with(&dy);
    let dx = gradients.get(&x).expect("x is tracked").to_f32();
    let error = relative_error(&dx, &expected);
    let step = Box::new(move || drop(ops::softmax(&x).backward_with(&dy)));
    Run { step, error, workspace_bytes: 0 }
}
