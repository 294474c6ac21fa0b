//! sum: bandwidth of reading.

use wgrad_engine::testing::bench::{Case, Run};
use wgrad_engine::testing::{normal, wide};
use wgrad_engine::{Tensor, ops};

/// A hidden state of BERT-base.
pub fn cases() -> Vec<Case> {
    let n = 1024 * 768;
    let prepare = move |device: &wgrad_engine::Device| {
        let values = normal(n, 1);
        let exact: f64 = wide(&values).iter().sum();
        let size: f64 = wide(&values).iter().map(|x| x.abs()).sum();
        let x = Tensor::f32(device, [n], &values);
        let error = (f64::from(ops::sum(&x).to_f32()[0]) - exact).abs() / size;
        let step = Box::new(move || drop(ops::sum(&x)));
        Run { step, error, workspace_bytes: 4 * (n as u64).div_ceil(16_384) }
    };
    vec![Case {
        stem: "reduce",
        name: "bert_base_hidden",
        shape: format!("[{n}]"),
        flops: n as u64,
        words: n as u64,
        prepare: Box::new(prepare),
    }]
}
