//! Times what Burn's wgpu backend has of the cases of `wgrad bench kernels`, on the adapter that it takes by itself.
//!
//! ```sh
//! cargo run --release --manifest-path benches/burn/Cargo.toml -- attention 128
//! wgrad bench kernels --device llvmpipe --filter attention.bert_base_128
//! ```
//!
//! `matmul N`, `layer_norm ROWS`, `attention TOKENS`, and then perhaps how often a step is timed: 15 times, or 5 where it is
//! slow. Compare ratios of runs that take turns on one machine only.
#![recursion_limit = "256"]

use std::time::Instant;

use burn::nn::LayerNormConfig;
use burn::tensor::module::attention;
use burn::tensor::{Bool, Device, DeviceKind, Distribution, Int, Tensor};

/// Channels of BERT-base's rows.
const HIDDEN: usize = 768;
/// A and D of BERT-base.
const HEADS: [usize; 2] = [12, 64];
/// Columns at the end of every row that the mask hides.
const MASKED: i64 = 5;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let size = arguments.get(1).and_then(|size| size.parse().ok());
    let device = Device::wgpu(DeviceKind::DefaultDevice);
    match (arguments.first().map(String::as_str), size) {
        (Some("matmul"), Some(n)) => matmul(&device, n),
        (Some("layer_norm"), Some(rows)) => layer_norm(&device, rows),
        (Some("attention"), Some(tokens)) => attend(&device, tokens),
        _ => eprintln!("expected matmul N, layer_norm ROWS or attention TOKENS"),
    }
}

/// Prints the first step's seconds, tuning included, and the median milliseconds of others. What a step gives is held until
/// the device is done: fused kernels do not write what nobody holds.
fn time(name: &str, device: &Device, mut step: impl FnMut() -> Vec<Tensor<2>>) {
    let mut once = || {
        let start = Instant::now();
        let results = step();
        device.sync().expect("the device runs");
        drop(results);
        start.elapsed().as_secs_f64()
    };
    let first = once();
    let asked = std::env::args().nth(3).and_then(|samples| samples.parse().ok());
    let samples = if once() > 0.2 { 5 } else { 15 };
    let mut seconds: Vec<f64> = (0..asked.unwrap_or(samples)).map(|_| once()).collect();
    seconds.sort_by(f64::total_cmp);
    let [median, least] = [seconds[seconds.len() / 2], seconds[0]].map(|s| 1e3 * s);
    println!("{name}: median {median:.1} ms, least {least:.1} ms, first {first:.1} s");
}

fn normal<const N: usize>(shape: [usize; N], device: &Device) -> Tensor<N> {
    Tensor::random(shape, Distribution::Normal(0.0, 1.0), device)
}

fn matmul(device: &Device, n: usize) {
    let [a, b] = [(); 2].map(|()| normal([n, n], device));
    time(&format!("matmul {n}"), device, || vec![a.clone().matmul(b.clone())]);
}

fn layer_norm(device: &Device, rows: usize) {
    let (x, norm) = (normal([rows, HIDDEN], device), LayerNormConfig::new(HIDDEN).init(device));
    time(&format!("layer_norm {rows}, forward"), device, || vec![norm.forward(x.clone())]);

    let device = device.clone().autodiff();
    let x = normal([rows, HIDDEN], &device).require_grad();
    let norm = LayerNormConfig::new(HIDDEN).init(&device);
    let beta = norm.beta.as_ref().expect("it has one");
    time(&format!("layer_norm {rows}, forward+backward"), &device, || {
        let gradients = norm.forward(x.clone()).sum().backward();
        let vectors = [norm.gamma.grad(&gradients), beta.grad(&gradients)];
        let vectors = vectors.into_iter().flatten().map(Tensor::unsqueeze);
        x.grad(&gradients).into_iter().chain(vectors).collect()
    });
}

/// Burn's fused forward, without and with a mask; backward falls back to plain operations.
fn attend(device: &Device, tokens: usize) {
    let [heads, width] = HEADS;
    let batch = if tokens > 256 { 4 } else { 8 };
    let shape = [batch, heads, tokens, width];
    let rows = |y: Tensor<4>| y.reshape([batch * heads * tokens, width]);
    let mask = |device: &Device| -> Tensor<4, Bool> {
        let columns = Tensor::<1, Int>::arange(0..tokens as i64, device);
        let hidden = columns.greater_equal_elem(tokens as i64 - MASKED);
        hidden.reshape([1, 1, 1, tokens]).expand([batch, heads, tokens, tokens])
    };
    for masked in [false, true] {
        let [q, k, v] = [(); 3].map(|()| normal(shape, device));
        let mask = masked.then(|| mask(device));
        let name = format!("attention {tokens}{}, forward", if masked { ", mask" } else { "" });
        let run = || attention(q.clone(), k.clone(), v.clone(), mask.clone(), None, Default::default());
        time(&name, device, || vec![rows(run())]);
    }
    let device = device.clone().autodiff();
    let [q, k, v] = [(); 3].map(|()| normal(shape, &device).require_grad());
    let mask = mask(&device);
    time(&format!("attention {tokens}, mask, forward+backward"), &device, || {
        let mask = Some(mask.clone());
        let y = attention(q.clone(), k.clone(), v.clone(), mask, None, Default::default());
        let gradients = y.sum().backward();
        [&q, &k, &v].into_iter().flat_map(|x| x.grad(&gradients)).map(rows).collect()
    });
}
