//! column_sums: bandwidth alone, the gradient of a bias.

use wgrad_engine::testing::bench::{Case, Run};
use wgrad_engine::testing::{normal, relative_error};
use wgrad_engine::{Tensor, ops};

/// Bias gradients at 8 × 128 tokens.
pub fn cases() -> Vec<Case> {
    [("bert_tiny_ffn_bias", 1024, 512), ("bert_base_ffn_bias", 1024, 3072)].map(case).into()
}

fn case((name, rows, channels): (&'static str, usize, usize)) -> Case {
    Case {
        stem: "column_sums",
        name,
        shape: format!("[{rows}, {channels}]"),
        flops: (rows * channels) as u64,
        words: (rows * channels + channels) as u64,
        prepare: Box::new(move |device| {
            let x = normal(rows * channels, 1);
            let sum = |c: usize| (0..rows).map(|n| f64::from(x[n * channels + c])).sum();
            let expected: Vec<f64> = (0..channels).map(sum).collect();
            let tensor = Tensor::f32(device, [rows, channels], &x);
            let error = relative_error(&ops::column_sums(&tensor).to_f32(), &expected);
            let step = Box::new(move || drop(ops::column_sums(&tensor)));
            Run { step, error, workspace_bytes: (4 * rows.div_ceil(32) * channels) as u64 }
        }),
    }
}
