//! dropout on its own: ten rounds of philox for four elements.

use wgrad_engine::random::Dropout;
use wgrad_engine::testing::bench::{Case, Run};
use wgrad_engine::testing::normal;
use wgrad_engine::{Tensor, ops};

/// After the embeddings of BERT-tiny and BERT-base.
pub fn cases() -> Vec<Case> {
    [("bert_tiny_hidden", 1024, 128), ("bert_base_hidden", 1024, 768)].map(case).into()
}

fn case((name, rows, channels): (&'static str, usize, usize)) -> Case {
    let n = (rows * channels) as u64;
    Case {
        stem: "dropout",
        name,
        shape: format!("[{rows}, {channels}]"),
        flops: 25 * n,
        words: 2 * n,
        prepare: Box::new(move |device| {
            let values = normal(rows * channels, 1);
            let x = Tensor::f32(device, [rows, channels], &values);
            let key = Tensor::u32(device, [2], &[1, 2]);
            let dropout = Dropout { probability: 0.5, key, site: 0, first_row: 0 };
            // At p = ½ a result is 0 or exactly twice the argument.
            let exact = |(y, x): (&f32, &f32)| *y == 0.0 || *y == 2.0 * x;
            let y = ops::dropout(&x, &dropout).to_f32();
            let error = if y.iter().zip(&values).all(exact) { 0.0 } else { f64::INFINITY };
            let step = Box::new(move || drop(ops::dropout(&x, &dropout)));
            Run { step, error, workspace_bytes: 0 }
        }),
    }
}
