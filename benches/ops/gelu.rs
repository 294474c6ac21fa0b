//! gelu on its own; `linear_gelu` has it fused.

use wgrad_engine::ops::{Gelu, gelu};
use wgrad_engine::params::gelu::Params;
use wgrad_engine::reference::gelu as twin;
use wgrad_engine::testing::bench::{Case, Run};
use wgrad_engine::testing::{normal, relative_error, wide};
use wgrad_engine::{Device, Tensor};

/// The inner activation of one BERT-base layer, both forms, forward and backward.
pub fn cases() -> Vec<Case> {
    [("bert_base_ffn", Gelu::Erf, 0), ("gpt2_ffn", Gelu::Tanh, 1)].map(case).into()
}

fn case((name, form, number): (&'static str, Gelu, u32)) -> Case {
    let (rows, channels) = (1024, 3072);
    let n = (rows * channels) as u64;
    Case {
        stem: "gelu",
        name,
        shape: format!("[{rows}, {channels}] forward+backward"),
        flops: 50 * n,
        words: 5 * n,
        prepare: Box::new(move |device| {
            let tensor =
                |seed| Tensor::f32(device, [rows, channels], &normal(rows * channels, seed));
            let (x, dy) = (tensor(1).tracked(), tensor(2));
            let step = Box::new(move || drop(gelu(&x, form).backward_with(&dy)));
            Run { step, error: error(device, form, number), workspace_bytes: 0 }
        }),
    }
}

fn error(device: &Device, form: Gelu, number: u32) -> f64 {
    let x = normal(4096, 3);
    let mut expected = vec![0.0; x.len()];
    twin::forward(&Params { elements: 4096, form: number }, &wide(&x), &mut expected);
    relative_error(&gelu(&Tensor::f32(device, [4096], &x), form).to_f32(), &expected)
}
