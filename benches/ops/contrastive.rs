//! contrastive: in-batch negatives, loss and both gradients.

use wgrad_engine::ops::{self, Contrastive, Targets};
use wgrad_engine::params::contrastive::Params;
use wgrad_engine::reference::contrastive as twin;
use wgrad_engine::testing::bench::{Case, Run};
use wgrad_engine::testing::{normal, relative_error, wide};
use wgrad_engine::{Device, Tensor};

/// Queries whose gradient is checked.
const CHECKED: usize = 4;
/// Of inner products of standard normal vectors, whose deviation is √D: near-uniform softmax.
const TEMPERATURE: f32 = 30.0;

/// Batches of queries with one passage each.
pub fn cases() -> Vec<Case> {
    [
        ("bert_tiny_batch_256", 256, 128),
        ("bert_base_batch_1024", 1024, 768),
        ("bert_base_batch_2048", 2048, 768),
    ]
    .map(case)
    .into()
}

fn case((name, pairs, width): (&'static str, usize, usize)) -> Case {
    let [m, d] = [pairs, width].map(|n| n as u64);
    Case {
        stem: "contrastive",
        name,
        shape: format!("[{pairs}, {width}]², forward+backward"),
        flops: 3 * 2 * m * m * d + 9 * m * m,
        // Both embeddings are read, their gradients written.
        words: 4 * m * d,
        prepare: Box::new(move |device| prepare(device, pairs, width)),
    }
}

fn prepare(device: &Device, pairs: usize, width: usize) -> Run {
    let (queries, passages) = (normal(pairs * width, 1), normal(pairs * width, 2));
    let expected = dqueries(&queries, &passages, width);
    let leaf = |values| Tensor::f32(device, [pairs, width], values).tracked();
    let (queries, passages) = (leaf(&queries), leaf(&passages));
    let targets = Targets::first_of_groups(device, pairs, 1);
    let options = Contrastive { temperature: TEMPERATURE, candidate_ids: None };
    let mut gradients = ops::contrastive(&queries, &passages, &targets, &options).backward();
    let actual = gradients.take(&queries).expect("queries are tracked").to_f32();
    let error = relative_error(&actual[..CHECKED * width], &expected);
    let step = Box::new(move || {
        drop(ops::contrastive(&queries, &passages, &targets, &options).backward());
    });
    // The scores of one chunk of queries, at most 64 MiB, and two floats a query.
    let scores = (4 * pairs * pairs) as u64;
    Run { step, error, workspace_bytes: scores.min(64 << 20) + 8 * pairs as u64 }
}

/// The gradient of the first queries in f64: plain products around the twins.
fn dqueries(queries: &[f32], passages: &[f32], width: usize) -> Vec<f64> {
    let (queries, passages) = (wide(&queries[..CHECKED * width]), wide(passages));
    let pairs = passages.len() / width;
    let mut scores = Vec::with_capacity(CHECKED * pairs);
    for query in queries.chunks(width) {
        let score = |passage: &[f64]| query.iter().zip(passage).map(|(q, p)| q * p).sum::<f64>();
        scores.extend(passages.chunks(width).map(score));
    }
    let params = Params {
        rows: CHECKED as u32,
        passages: pairs as u32,
        has_ids: 0,
        inverse_temperature: 1.0 / TEMPERATURE,
    };
    let classes: Vec<u32> = (0..CHECKED as u32).collect();
    let (mut log_sum_exp, mut row_losses) = (vec![0.0; CHECKED], vec![0.0; CHECKED]);
    twin::forward(&params, (&[], &classes, &scores), (&mut log_sum_exp, &mut row_losses));
    let row_weight = [1.0 / pairs as f64];
    twin::backward_scores(&params, (&[], &classes, &row_weight, &log_sum_exp), &mut scores);
    let mut dqueries = vec![0.0; CHECKED * width];
    for (dquery, scores) in dqueries.chunks_mut(width).zip(scores.chunks(pairs)) {
        for (gradient, passage) in scores.iter().zip(passages.chunks(width)) {
            dquery.iter_mut().zip(passage).for_each(|(sum, p)| *sum += gradient * p);
        }
    }
    dqueries
}
