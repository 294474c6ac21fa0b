//! cast: bandwidth alone.

use half::f16;
use wgrad_engine::device::Format;
use wgrad_engine::testing::bench::{Case, Run};
use wgrad_engine::testing::{normal, relative_error, wide};
use wgrad_engine::{Tensor, ops};

/// The working copy of a matrix of weights.
pub fn cases() -> Vec<Case> {
    [("bert_tiny_ffn", 512 * 128), ("bert_base_ffn", 3072 * 768)].map(case).into()
}

fn case((name, n): (&'static str, usize)) -> Case {
    Case {
        stem: "cast",
        name,
        shape: format!("[{n}]"),
        flops: 0,
        words: 3 * n as u64 / 2,
        prepare: Box::new(move |device| {
            // An adapter without f16 copies nothing: its rows say so by their time.
            let format = if device.supports(Format::Half) { Format::Half } else { Format::Word };
            let values = normal(n, 1);
            let rounded: Vec<f32> = match format {
                Format::Half => values.iter().map(|&x| f16::from_f32(x).to_f32()).collect(),
                Format::Word => values.clone(),
            };
            let x = Tensor::f32(device, [n], &values);
            let error = relative_error(&ops::cast(&x, format).to_f32(), &wide(&rounded));
            let step = Box::new(move || drop(ops::cast(&x, format)));
            Run { step, error, workspace_bytes: 0 }
        }),
    }
}
