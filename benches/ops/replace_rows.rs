//! replace_rows: a sentence vector in front of the tokens of each text.

use wgrad_engine::Tensor;
use wgrad_engine::ops::{self, Rows};
use wgrad_engine::testing::bench::{Case, Run};
use wgrad_engine::testing::normal;

/// The first of every 128 tokens, 8 texts.
pub fn cases() -> Vec<Case> {
    [("bert_tiny_sentence", 128), ("bert_base_sentence", 768)].map(case).into()
}

fn case((name, channels): (&'static str, usize)) -> Case {
    let (texts, tokens) = (8, 128);
    let count = texts * tokens;
    Case {
        stem: "replace_rows",
        name,
        shape: format!("{texts} of [{count}, {channels}], forward and backward"),
        flops: 0,
        words: (4 * count * channels + 2 * texts * channels) as u64,
        prepare: Box::new(move |device| {
            let rows: Vec<u32> = (0..texts).map(|text| (text * tokens) as u32).collect();
            let values = normal(texts * channels, 2);
            let x = Tensor::f32(device, [count, channels], &normal(count * channels, 1)).tracked();
            let other = Tensor::f32(device, [texts, channels], &values).tracked();
            let index = Rows::new(device, &rows, count).expect("rows increase to 896");
            let dy = Tensor::f32(device, [count, channels], &normal(count * channels, 3));
            let y = ops::replace_rows(&x, &index, &other).to_f32();
            let right = |text: &usize| {
                let row = text * tokens * channels;
                y[row..][..channels] == values[text * channels..][..channels]
            };
            let wrong = (0..texts).filter(|text| !right(text)).count();
            let step = move || drop(ops::replace_rows(&x, &index, &other).backward_with(&dy));
            Run { step: Box::new(step), error: wrong as f64, workspace_bytes: 0 }
        }),
    }
}
