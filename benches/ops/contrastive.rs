//! contrastive: in-batch negatives, loss and both gradients.

use wgrad_engine::ops::{self, Contrastive, Targets};
use wgrad_engine::params::contrastive::Params;
use wgrad_engine::reference::contrastive as twin;
use wgrad_engine::testing::bench::{Case, Run};
use wgrad_engine::testing::{normal, relative_error, wide};
use wgrad_engine::{Device, Tensor};

/// Queries whose gradient is checked.
const CHECKED: usize = 4;
const TEMPERATURE: f32 = 0.05;

/// Queries, passages and width: in-batch negatives of growing batches, and a batch with seven hard negatives each.
pub fn cases() -> Vec<Case> {
    [
        ("bert_tiny_in_batch_256", [256, 256, 128]),
        ("in_batch_1024", [1024, 1024, 768]),
        ("in_batch_4096", [4096, 4096, 768]),
        ("hard_negatives_256x8", [256, 2048, 768]),
    ]
    .map(case)
    .into()
}

fn case((name, sizes): (&'static str, [usize; 3])) -> Case {
    let [m, n, d] = sizes.map(|size| size as u64);
    Case {
        stem: "contrastive",
        name,
        shape: format!("[{m}, {d}] × [{n}, {d}], forward+backward"),
        flops: 3 * 2 * m * n * d + 9 * m * n,
        // Both embeddings are read, their gradients written.
        words: 2 * (m + n) * d,
        prepare: Box::new(move |device| prepare(device, sizes)),
    }
}

fn prepare(device: &Device, [queries, passages, width]: [usize; 3]) -> Run {
    let (rows, group) = (queries, passages / queries);
    // Unit length in the mean, as cosines have.
    let unit = |count: usize, seed| -> Vec<f32> {
        normal(count * width, seed).iter().map(|x| x / (width as f32).sqrt()).collect()
    };
    let (queries, passages) = (unit(rows, 1), unit(rows * group, 2));
    let expected = dqueries(&queries, &passages, [rows, group, width]);
    let leaf =
        |values: &[f32]| Tensor::f32(device, [values.len() / width, width], values).tracked();
    let (queries, passages) = (leaf(&queries), leaf(&passages));
    let targets = Targets::first_of_groups(device, rows, group);
    let options = Contrastive { temperature: TEMPERATURE, candidate_ids: None };
    let mut gradients = ops::contrastive(&queries, &passages, &targets, &options).backward();
    let actual = gradients.take(&queries).expect("queries are tracked").to_f32();
    let error = relative_error(&actual[..CHECKED * width], &expected);
    let step = Box::new(move || {
        drop(ops::contrastive(&queries, &passages, &targets, &options).backward());
    });
    // The scores of one chunk of queries, at most 64 MiB, and three floats a query.
    let scores = (4 * rows * rows * group) as u64;
    Run { step, error, workspace_bytes: scores.min(64 << 20) + 12 * rows as u64 }
}

/// The gradient of the first queries in f64: plain products around the twins.
fn dqueries(queries: &[f32], passages: &[f32], [rows, group, width]: [usize; 3]) -> Vec<f64> {
    let (queries, passages) = (wide(&queries[..CHECKED * width]), wide(passages));
    let candidates = rows * group;
    let mut scores = Vec::with_capacity(CHECKED * candidates);
    for query in queries.chunks(width) {
        let score = |passage: &[f64]| query.iter().zip(passage).map(|(q, p)| q * p).sum::<f64>();
        scores.extend(passages.chunks(width).map(score));
    }
    let params = Params {
        rows: CHECKED as u32,
        passages: candidates as u32,
        has_ids: 0,
        inverse_temperature: 1.0 / TEMPERATURE,
    };
    let classes: Vec<u32> = (0..CHECKED).map(|query| (query * group) as u32).collect();
    let [mut row_max, mut row_sum, mut row_losses] = [(); 3].map(|()| vec![0.0; CHECKED]);
    let writes = (&mut row_max[..], &mut row_sum[..], &mut row_losses[..]);
    twin::forward(&params, (&[], &classes, &scores), writes);
    let row_weight = [1.0 / rows as f64];
    let reads = (&[][..], &classes[..], &row_weight[..], &row_max[..], &row_sum[..]);
    twin::backward_scores(&params, reads, &mut scores);
    let mut dqueries = vec![0.0; CHECKED * width];
    for (dquery, scores) in dqueries.chunks_mut(width).zip(scores.chunks(candidates)) {
        for (gradient, passage) in scores.iter().zip(passages.chunks(width)) {
            dquery.iter_mut().zip(passage).for_each(|(sum, p)| *sum += gradient * p);
        }
    }
    dqueries
}
