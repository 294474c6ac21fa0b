//! add: bandwidth alone.

use wgrad_engine::testing::bench::{Case, Run};
use wgrad_engine::testing::{normal, relative_error, wide};
use wgrad_engine::{Tensor, ops};

/// Accumulating the gradient of a hidden state.
pub fn cases() -> Vec<Case> {
    [("bert_tiny_hidden", 1024 * 128), ("bert_base_hidden", 1024 * 768)].map(case).into()
}

fn case((name, n): (&'static str, usize)) -> Case {
    Case {
        stem: "add",
        name,
        shape: format!("[{n}]"),
        flops: n as u64,
        words: 3 * n as u64,
        prepare: Box::new(move |device| {
            let (a, b) = (normal(n, 1), normal(n, 2));
            let expected: Vec<f64> = wide(&a).iter().zip(wide(&b)).map(|(a, b)| a + b).collect();
            let (a, b) = (Tensor::f32(device, [n], &a), Tensor::f32(device, [n], &b));
            let error = relative_error(&ops::add(&a, &b).to_f32(), &expected);
            let step = Box::new(move || drop(ops::add(&a, &b)));
            Run { step, error, workspace_bytes: 0 }
        }),
    }
}
