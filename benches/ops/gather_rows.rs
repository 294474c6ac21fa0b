//! gather_rows: the labelled rows of a masked language model, forward and backward.

use wgrad_engine::ops::{Rows, gather_rows};
use wgrad_engine::testing::bench::{Case, Run};
use wgrad_engine::testing::{normal, relative_error, wide};
use wgrad_engine::{Device, Tensor};

const TOKENS: usize = 1024;
const CHANNELS: usize = 768;
/// Every seventh token is labelled: about 15 %.
const EVERY: usize = 7;

/// The head of BERT-base.
pub fn cases() -> Vec<Case> {
    let kept = (TOKENS.div_ceil(EVERY) * CHANNELS) as u64;
    vec![Case {
        stem: "gather_rows",
        name: "bert_base_labels",
        shape: format!("[{TOKENS}, {CHANNELS}] every {EVERY}th, forward+backward"),
        flops: 0,
        words: 2 * kept + kept + (TOKENS * CHANNELS) as u64,
        prepare: Box::new(prepare),
    }]
}

fn prepare(device: &Device) -> Run {
    let values = normal(TOKENS * CHANNELS, 1);
    let x = Tensor::f32(device, [TOKENS, CHANNELS], &values).tracked();
    let rows: Vec<u32> = (0..TOKENS as u32).step_by(EVERY).collect();
    let dy = Tensor::f32(device, [rows.len(), CHANNELS], &normal(rows.len() * CHANNELS, 2));
    let expected: Vec<f64> =
        wide(&values).chunks(CHANNELS).step_by(EVERY).flatten().copied().collect();
    let rows =
        Rows::new(device, &rows, TOKENS).expect("multiples of 7 below the row count increase");
    let error = relative_error(&gather_rows(&x, &rows).to_f32(), &expected);
    let step = Box::new(move || drop(gather_rows(&x, &rows).backward_with(&dy)));
    Run { step, error, workspace_bytes: 0 }
}
