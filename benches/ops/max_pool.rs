//! max_pool: reads the visible tokens once.

use wgrad_engine::testing::bench::{Case, Run};
use wgrad_engine::testing::{normal, relative_error, wide};
use wgrad_engine::{Device, Tensor, ops};

const TEXTS: usize = 64;
const TOKENS: usize = 128;
const CHANNELS: usize = 768;

/// Pooling a batch of passages of BERT-base.
pub fn cases() -> Vec<Case> {
    let n = (TEXTS * TOKENS * CHANNELS) as u64;
    vec![Case {
        stem: "max_pool",
        name: "bert_base_passages",
        shape: format!("[{TEXTS}, {TOKENS}, {CHANNELS}]"),
        flops: n,
        words: n,
        prepare: Box::new(prepare),
    }]
}

fn prepare(device: &Device) -> Run {
    let values = normal(TEXTS * TOKENS * CHANNELS, 1);
    let x = Tensor::f32(device, [TEXTS, TOKENS, CHANNELS], &values);
    let lengths = Tensor::u32(device, [TEXTS], &[TOKENS as u32; TEXTS]);
    let y = ops::max_pool(&x, &lengths).to_f32();
    // The first text, channel by channel.
    let text = wide(&values[..TOKENS * CHANNELS]);
    let column = |c: usize| text[c..].iter().step_by(CHANNELS).copied().fold(f64::MIN, f64::max);
    let expected: Vec<f64> = (0..CHANNELS).map(column).collect();
    let error = relative_error(&y[..CHANNELS], &expected);
    let step = Box::new(move || drop(ops::max_pool(&x, &lengths)));
    Run { step, error, workspace_bytes: 0 }
}
