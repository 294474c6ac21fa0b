//! concat: the queries and passages of a batch in one encoder pass, joined and taken apart.

use wgrad_engine::Tensor;
use wgrad_engine::ops::{concat, split};
use wgrad_engine::testing::bench::{Case, Run};
use wgrad_engine::testing::normal;

/// Rows of 16 queries of 32 tokens and 32 passages of 128 tokens, and channels of two halves.
pub fn cases() -> Vec<Case> {
    vec![
        case("bert_base_rows", [16 * 32 + 32 * 128, 768], 0, [16 * 32, 32 * 128]),
        case("bert_base_channels", [1024, 1536], 1, [768, 768]),
    ]
}

fn case(name: &'static str, axes: [usize; 2], axis: usize, sizes: [usize; 2]) -> Case {
    let n = axes[0] * axes[1];
    Case {
        stem: "concat",
        name,
        shape: format!("{axes:?} of {sizes:?}, concat and split"),
        flops: 0,
        words: 4 * n as u64,
        prepare: Box::new(move |device| {
            let values = normal(n, 1);
            let whole = Tensor::f32(device, axes, &values);
            let step = move || {
                let pieces = split(&whole, axis, &sizes);
                concat(&pieces.iter().collect::<Vec<_>>(), axis)
            };
            let wrong = step().to_f32().iter().zip(&values).filter(|(y, x)| y != x).count();
            Run { step: Box::new(move || drop(step())), error: wrong as f64, workspace_bytes: 0 }
        }),
    }
}
