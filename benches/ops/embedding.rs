//! embedding: the word table of BERT, forward and with its dense gradient.

use wgrad_engine::ops::{self, Ids};
use wgrad_engine::testing::bench::{Case, Run};
use wgrad_engine::testing::normal;
use wgrad_engine::{Device, Tensor};

/// (vocabulary, width) at 8 × 128 tokens.
const TABLES: [(&str, usize, usize); 2] =
    [("bert_tiny_words", 30_522, 128), ("bert_base_words", 30_522, 768)];
const TOKENS: usize = 1024;

/// Each table forward, and forward and backward.
pub fn cases() -> Vec<Case> {
    TABLES.into_iter().flat_map(|table| [case(table, false), case(table, true)]).collect()
}

fn case((name, rows, channels): (&'static str, usize, usize), backward: bool) -> Case {
    let direction = if backward { ", forward and backward" } else { "" };
    let looked_up = TOKENS * channels;
    Case {
        stem: "embedding",
        name,
        shape: format!("{TOKENS} of [{rows}, {channels}]{direction}"),
        flops: if backward { looked_up as u64 } else { 0 },
        words: (2 * looked_up + if backward { looked_up + rows * channels } else { 0 }) as u64,
        prepare: Box::new(move |device| prepare(device, rows, channels, backward)),
    }
}

fn prepare(device: &Device, rows: usize, channels: usize, backward: bool) -> Run {
    // A tenth of the tokens are one word, as "[CLS]", "[SEP]" and "." are in text.
    let word = |at: usize| if at.is_multiple_of(10) { 101 } else { at * 7919 % rows };
    let ids: Vec<u32> = (0..TOKENS).map(|at| word(at) as u32).collect();
    let table = Tensor::f32(device, [rows, channels], &normal(rows * channels, 1)).tracked();
    let index = Ids::new(device, &ids, rows).expect("words are taken modulo the table's rows");
    let dy = Tensor::f32(device, [TOKENS, channels], &vec![1.0; TOKENS * channels]);
    let y = ops::embedding(&table, &index);
    // With dy = 1 every gradient is a count: exact in f32.
    let gradients = y.backward_with(&dy);
    let counts = gradients.get(&table).expect("the table is tracked").to_f32();
    let count = |id: usize| ids.iter().filter(|&&other| other as usize == id).count() as f32;
    let wrong = (0..500).filter(|at| counts[at * channels] != count(*at)).count();
    let step: Box<dyn FnMut()> = if backward {
        Box::new(move || drop(ops::embedding(&table, &index).backward_with(&dy)))
    } else {
        Box::new(move || drop(ops::embedding(&table, &index)))
    };
    Run { step, error: wrong as f64, workspace_bytes: (4 * 2 * TOKENS / 64 * channels) as u64 }
}
