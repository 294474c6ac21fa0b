//! replace_rows: the sentence vectors put in front of RetroMAE's decoder input, forward and backward.

use wgrad_engine::ops::{Rows, replace_rows};
use wgrad_engine::testing::bench::{Case, Run};
use wgrad_engine::testing::{normal, relative_error, wide};
use wgrad_engine::{Device, Tensor};

const TEXTS: usize = 8;
const TOKENS: usize = 128;
const CHANNELS: usize = 768;

/// The first token of each text of BERT-base.
pub fn cases() -> Vec<Case> {
    let (all, replaced) = ((TEXTS * TOKENS * CHANNELS) as u64, (TEXTS * CHANNELS) as u64);
    vec![Case {
        stem: "replace_rows",
        name: "bert_base_first_tokens",
        shape: format!("[{TEXTS}·{TOKENS}, {CHANNELS}] forward+backward"),
        flops: 0,
        words: 4 * all + 2 * replaced,
        prepare: Box::new(prepare),
    }]
}

fn prepare(device: &Device) -> Run {
    let tensor = |rows: usize, values: &[f32]| Tensor::f32(device, [rows, CHANNELS], values);
    let rows = TEXTS * TOKENS;
    let (x, values) = (normal(rows * CHANNELS, 1), normal(TEXTS * CHANNELS, 2));
    let mut expected = wide(&x);
    for (text, sentence) in
        expected.chunks_mut(TOKENS * CHANNELS).zip(wide(&values).chunks(CHANNELS))
    {
        text[..CHANNELS].copy_from_slice(sentence);
    }
    let firsts: Vec<u32> = (0..TEXTS).map(|text| (text * TOKENS) as u32).collect();
    let firsts =
        Rows::new(device, &firsts, rows).expect("first tokens increase below the row count");
    let (x, values) = (tensor(rows, &x).tracked(), tensor(TEXTS, &values).tracked());
    let dy = tensor(rows, &normal(rows * CHANNELS, 3));
    let error = relative_error(&replace_rows(&x, &firsts, &values).to_f32(), &expected);
    let step = Box::new(move || drop(replace_rows(&x, &firsts, &values).backward_with(&dy)));
    Run { step, error, workspace_bytes: 0 }
}
