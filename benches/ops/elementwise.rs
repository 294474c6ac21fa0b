//! elementwise: bandwidth alone.

use wgrad_engine::testing::bench::{Case, Run};
use wgrad_engine::testing::{normal, relative_error, wide};
use wgrad_engine::{Device, Tensor, ops};

/// A hidden state of BERT-base, and the gradients of a layer on their way to the optimizer.
pub fn cases() -> Vec<Case> {
    let hidden = 1024 * 768;
    let gradients = 7_087_872;
    vec![
        case("multiply_bert_base_hidden", hidden, 3, multiply),
        case("scale_bert_base_hidden", hidden, 2, scale),
        case("accumulate_bert_base_layer", gradients, 3, accumulate),
    ]
}

fn case(name: &'static str, n: usize, moves: u64, prepare: fn(&Device, usize) -> Run) -> Case {
    Case {
        stem: "elementwise",
        name,
        shape: format!("[{n}]"),
        flops: n as u64,
        words: moves * n as u64,
        prepare: Box::new(move |device| prepare(device, n)),
    }
}

fn multiply(device: &Device, n: usize) -> Run {
    let (a, b) = (normal(n, 1), normal(n, 2));
    let expected: Vec<f64> = wide(&a).iter().zip(wide(&b)).map(|(a, b)| a * b).collect();
    let (a, b) = (Tensor::f32(device, [n], &a), Tensor::f32(device, [n], &b));
    let error = relative_error(&ops::multiply(&a, &b).to_f32(), &expected);
    Run { step: Box::new(move || drop(ops::multiply(&a, &b))), error, workspace_bytes: 0 }
}

fn scale(device: &Device, n: usize) -> Run {
    let a = normal(n, 1);
    let expected: Vec<f64> = wide(&a).iter().map(|a| 0.75 * a).collect();
    let a = Tensor::f32(device, [n], &a);
    let error = relative_error(&ops::scale(&a, 0.75).to_f32(), &expected);
    Run { step: Box::new(move || drop(ops::scale(&a, 0.75))), error, workspace_bytes: 0 }
}

fn accumulate(device: &Device, n: usize) -> Run {
    let (a, b) = (normal(n, 1), normal(n, 2));
    let expected: Vec<f64> = wide(&a).iter().zip(wide(&b)).map(|(a, b)| a + 0.5 * b).collect();
    let (mut total, b) = (device.upload_f32(&a), device.upload_f32(&b));
    ops::accumulate(device, &b, &mut total, 0.5);
    let error = relative_error(&device.read_f32(&total), &expected);
    let device = device.clone();
    // The factor is tiny, so that the total stays finite however long it is repeated.
    let step = Box::new(move || ops::accumulate(&device, &b, &mut total, 1e-9));
    Run { step, error, workspace_bytes: 0 }
}
