//! column_sums: the gradient of a bias, bandwidth of reading.

use wgrad_engine::testing::bench::{Case, Run};
use wgrad_engine::testing::{normal, relative_error, wide};
use wgrad_engine::{Device, Tensor, ops};

/// The biases of one BERT-base layer.
pub fn cases() -> Vec<Case> {
    [("bert_base_bias", 1024, 768), ("bert_base_ffn_bias", 1024, 3072)].map(case).into()
}

fn case((name, rows, channels): (&'static str, usize, usize)) -> Case {
    let n = (rows * channels) as u64;
    Case {
        stem: "column_sums",
        name,
        shape: format!("[{rows}, {channels}]"),
        flops: n,
        words: n,
        prepare: Box::new(move |device| prepare(device, rows, channels)),
    }
}

fn prepare(device: &Device, rows: usize, channels: usize) -> Run {
    let values = normal(rows * channels, 1);
    let x = Tensor::f32(device, [rows, channels], &values);
    let mut expected = vec![0.0; channels];
    for row in wide(&values).chunks(channels) {
        expected.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
    }
    let error = relative_error(&ops::column_sums(&x).to_f32(), &expected);
    // Sums of strips: at most 128 of them.
    let workspace_bytes = 4 * 128 * channels as u64;
    Run { step: Box::new(move || drop(ops::column_sums(&x))), error, workspace_bytes }
}
