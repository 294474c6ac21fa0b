//! activation: relu, tanh, silu and log1p_relu, forward and backward.

use wgrad_engine::params::activation::Params;
use wgrad_engine::reference::activation as twin;
use wgrad_engine::testing::bench::{Case, Run};
use wgrad_engine::testing::{normal, relative_error, wide};
use wgrad_engine::{Device, Tensor, ops};

/// The op, and its twin's forward.
type Function = (fn(&Tensor) -> Tensor, fn(&Params, &[f64], &mut [f64]));

/// The inner activation of a feed-forward network, the pooler of BERT-base, and the weights of SPLADE's texts.
pub fn cases() -> Vec<Case> {
    let ffn = 1024 * 3072;
    vec![
        case("relu_ffn", ffn, 2, (ops::relu, twin::relu_forward)),
        case("silu_ffn", ffn, 12, (ops::silu, twin::silu_forward)),
        case("log1p_relu_splade", 32 * 30_522, 24, (ops::log1p_relu, twin::log1p_relu_forward)),
        case("tanh_pooler", 1024 * 768, 8, (ops::tanh, twin::tanh_forward)),
    ]
}

fn case(name: &'static str, n: usize, flops: u64, function: Function) -> Case {
    Case {
        stem: "activation",
        name,
        shape: format!("[{n}] forward+backward"),
        flops: flops * n as u64,
        words: 5 * n as u64,
        prepare: Box::new(move |device| prepare(device, n, function)),
    }
}

fn prepare(device: &Device, n: usize, (op, twin): Function) -> Run {
    let (values, dy) = (normal(n, 1), Tensor::f32(device, [n], &normal(n, 2)));
    let x = Tensor::f32(device, [n], &values).tracked();
    let mut expected = vec![0.0; n];
    twin(&Params { elements: n as u32 }, &wide(&values), &mut expected);
    let error = relative_error(&op(&x).to_f32(), &expected);
    let step = Box::new(move || drop(op(&x).backward_with(&dy)));
    Run { step, error, workspace_bytes: 0 }
}
