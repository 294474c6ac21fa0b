//! embedding: gathering rows, and the gradient of the whole table.

use wgrad_engine::ops::{self, Ids};
use wgrad_engine::testing::bench::{Case, Run};
use wgrad_engine::testing::{normal, relative_error, wide};
use wgrad_engine::{Device, Tensor};

const TOKENS: usize = 1024;
const VOCABULARY: usize = 30_522;

/// The word tables of BERT-tiny and BERT-base; every fourth token is one and the same, as in text.
pub fn cases() -> Vec<Case> {
    let shapes = [("bert_tiny_words", 128), ("bert_base_words", 768)];
    shapes.into_iter().flat_map(|(name, h)| [case(name, h, false), case(name, h, true)]).collect()
}

fn case(name: &'static str, channels: usize, is_training: bool) -> Case {
    let (rows, table) = ((TOKENS * channels) as u64, (VOCABULARY * channels) as u64);
    let suffix = if is_training { "forward+backward" } else { "forward" };
    Case {
        stem: "embedding",
        name,
        shape: format!("[{VOCABULARY}, {channels}] by {TOKENS} ids, {suffix}"),
        flops: if is_training { rows } else { 0 },
        words: if is_training { 3 * rows + table } else { 2 * rows },
        prepare: Box::new(move |device| prepare(device, channels, is_training)),
    }
}

fn prepare(device: &Device, channels: usize, is_training: bool) -> Run {
    let id = |at: usize| if at.is_multiple_of(4) { 7 } else { (at * at * 31 % VOCABULARY) as u32 };
    let ids: Vec<u32> = (0..TOKENS).map(id).collect();
    let dvalues = normal(TOKENS * channels, 2);
    // The gradient of the row that repeats: the sum over its tokens.
    let mut expected = vec![0.0; channels];
    for (_, dy) in ids.iter().zip(wide(&dvalues).chunks(channels)).filter(|(id, _)| **id == 7) {
        expected.iter_mut().zip(dy).for_each(|(sum, dy)| *sum += dy);
    }
    let index = Ids::new(device, &ids, VOCABULARY).expect("ids are below the vocabulary");
    let table = normal(VOCABULARY * channels, 1);
    let table = Tensor::f32(device, [VOCABULARY, channels], &table).tracked();
    let dy = Tensor::f32(device, [TOKENS, channels], &dvalues);
    let gradients = ops::embedding(&table, &index).backward_with(&dy);
    let dtable = gradients.get(&table).expect("the table is tracked").to_f32();
    let error = relative_error(&dtable[7 * channels..8 * channels], &expected);
    let step: Box<dyn FnMut()> = if is_training {
        Box::new(move || drop(ops::embedding(&table, &index).backward_with(&dy)))
    } else {
        let table = table.detach();
        Box::new(move || drop(ops::embedding(&table, &index)))
    };
    // The sorted index: four words a segment, one a position.
    Run { step, error, workspace_bytes: if is_training { 20 * TOKENS as u64 } else { 0 } }
}
