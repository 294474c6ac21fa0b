//! contrastive: in-batch negatives, loss and both gradients.

use wgrad_engine::ops::{self, Contrastive, Directions, Targets};
use wgrad_engine::params::contrastive::Params;
use wgrad_engine::reference::contrastive as twin;
use wgrad_engine::testing::bench::{Case, Run};
use wgrad_engine::testing::{normal, relative_error, wide};
use wgrad_engine::{Device, Tensor};

use super::rows_of_chunk;

/// Queries whose gradient is checked.
const CHECKED: usize = 4;
const TEMPERATURE: f32 = 0.05;

/// Queries, passages and width: in-batch negatives of growing batches, a batch with seven hard negatives each, and
/// batches of pairs that choose each other.
pub fn cases() -> Vec<Case> {
    let one = Directions::QueryToPassage;
    [
        ("bert_tiny_in_batch_256", [256, 256, 128], one),
        ("in_batch_1024", [1024, 1024, 768], one),
        ("in_batch_4096", [4096, 4096, 768], one),
        ("hard_negatives_256x8", [256, 2048, 768], one),
        ("symmetric_1024", [1024, 1024, 768], Directions::Both),
        ("symmetric_2048", [2048, 2048, 768], Directions::Both),
        ("symmetric_4096", [4096, 4096, 768], Directions::Both),
    ]
    .map(case)
    .into()
}

fn case((name, sizes, directions): (&'static str, [usize; 3], Directions)) -> Case {
    let [m, n, d] = sizes.map(|size| size as u64);
    Case {
        stem: "contrastive",
        name,
        shape: format!("[{m}, {d}] × [{n}, {d}], forward+backward"),
        // All these have one chunk, whose scores are computed once.
        flops: 3 * 2 * m * n * d + if directions == Directions::Both { 17 } else { 9 } * m * n,
        // Both embeddings are read, their gradients written.
        words: 2 * (m + n) * d,
        prepare: Box::new(move |device| prepare(device, sizes, directions)),
    }
}

fn prepare(device: &Device, [queries, passages, width]: [usize; 3], directions: Directions) -> Run {
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
    let options = Contrastive { temperature: TEMPERATURE, ..Contrastive::default() };
    let gradient =
        |loss: Tensor, leaf| loss.backward().take(leaf).expect("both sides are tracked").to_f32();
    let one_way = gradient(ops::contrastive(&queries, &passages, &targets, &options), &queries);
    let mut error = relative_error(&one_way[..CHECKED * width], &expected);
    let options = Contrastive { directions, ..options };
    if directions == Directions::Both {
        // With the other way, half of each is the whole: the sides change places.
        let back = Contrastive { directions: Directions::QueryToPassage, ..options };
        let back = gradient(ops::contrastive(&passages, &queries, &targets, &back), &queries);
        let halves = one_way.iter().zip(&back);
        let expected: Vec<f64> = halves.map(|(a, b)| 0.5 * f64::from(a + b)).collect();
        let both = gradient(ops::contrastive(&queries, &passages, &targets, &options), &queries);
        error = error.max(relative_error(&both, &expected));
    }
    let step = Box::new(move || {
        drop(ops::contrastive(&queries, &passages, &targets, &options).backward());
    });
    // The scores of one chunk of queries, at most 64 MiB, and five floats a query; in both directions two a passage, and
    // two for each strip of 64 queries.
    let columns = match directions {
        Directions::QueryToPassage => 0,
        Directions::Both => 8 * rows * group * (1 + rows.div_ceil(64)),
    };
    let scores = 4 * rows_of_chunk(rows, rows * group) * rows * group;
    Run { step, error, workspace_bytes: (scores + 20 * rows + columns) as u64 }
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
        strip: 1,
        continues: 0,
        has_ids: 0,
        of_log_sums: 0,
        inverse_temperature: 1.0 / TEMPERATURE,
    };
    let classes: Vec<u32> = (0..CHECKED).map(|query| (query * group) as u32).collect();
    let mut row_stats = vec![0.0; 2 * CHECKED];
    let [mut positives, mut losses, mut log_sums] = [(); 3].map(|()| vec![0.0; CHECKED]);
    let writes = (&mut row_stats[..], &mut positives[..], &mut losses[..], &mut log_sums[..]);
    let (ids, log_scale, row_weight) = (&[][..], &[0.0][..], &[1.0 / rows as f64][..]);
    twin::forward(&params, (ids, &classes, log_scale, &scores), writes);
    twin::backward_scores(&params, (ids, &classes, log_scale, row_weight, &row_stats), &mut scores);
    let mut dqueries = vec![0.0; CHECKED * width];
    for (dquery, scores) in dqueries.chunks_mut(width).zip(scores.chunks(candidates)) {
        for (gradient, passage) in scores.iter().zip(passages.chunks(width)) {
            dquery.iter_mut().zip(passage).for_each(|(sum, p)| *sum += gradient * p);
        }
    }
    dqueries
}
