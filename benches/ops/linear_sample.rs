//! linear_sample: the replaced tokens of ELECTRA's generator.

use wgrad_engine::ops::linear_sample;
use wgrad_engine::random::{Sampling, philox};
use wgrad_engine::reference::linear_sample::{PLANE, gumbel};
use wgrad_engine::testing::bench::{Case, Run};
use wgrad_engine::testing::{dot, normal, wide};
use wgrad_engine::{Device, Tensor};

use super::rows_of_chunk;

const VOCABULARY: usize = 30_522;
const KEY: [u32; 2] = [1, 2];

/// The 19 replaced tokens of 8 and of 54 rows of 128.
pub fn cases() -> Vec<Case> {
    [("electra_small_8_rows", 152, 128), ("electra_small_54_rows", 1024, 128)].map(case).into()
}

fn case((name, rows, width): (&'static str, usize, usize)) -> Case {
    let [r, h, v] = [rows, width, VOCABULARY].map(|n| n as u64);
    Case {
        stem: "linear_sample",
        name,
        shape: format!("[{rows}, {width}] → {VOCABULARY}"),
        flops: 2 * r * h * v + 25 * r * v,
        words: r * h + v * h + v + r,
        prepare: Box::new(move |device| prepare(device, rows, width)),
    }
}

fn prepare(device: &Device, rows: usize, width: usize) -> Run {
    let (h, w) = (normal(rows * width, 1), normal(VOCABULARY * width, 2));
    // Small scores, as a model's are.
    let w: Vec<f32> = w.iter().map(|w| 0.1 * w).collect();
    let hidden = Tensor::f32(device, [rows, width], &h);
    let weight = Tensor::f32(device, [VOCABULARY, width], &w);
    let bias = Tensor::f32(device, [VOCABULARY], &normal(VOCABULARY, 3));
    let key = Tensor::u32(device, [2], &KEY);
    let sampling = Sampling { temperature: 1.0, key, site: 0, first_row: 0 };
    let drawn = linear_sample(&hidden, &weight, Some(&bias), &sampling).to_u32();
    // The share by which what the first row drew is below the largest: 0 unless two are within rounding.
    let (h, w, b) = (wide(&h[..width]), wide(&w), wide(&normal(VOCABULARY, 3)));
    let value = |v: usize| {
        let word = philox([v as u32 / 4, 0, 0, PLANE], KEY)[v % 4];
        dot(&h, &w[v * width..][..width]) + b[v] + gumbel(word)
    };
    let largest = (0..VOCABULARY).map(value).fold(f64::MIN, f64::max);
    let error = (largest - value(drawn[0] as usize)) / largest;
    let step = Box::new(move || drop(linear_sample(&hidden, &weight, Some(&bias), &sampling)));
    let logits = 4 * rows_of_chunk(rows, VOCABULARY) * VOCABULARY;
    Run { step, error, workspace_bytes: logits as u64 }
}
