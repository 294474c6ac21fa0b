//! contrastive: three products of queries × width × passages, in one direction.

use wgrad_engine::Tensor;
use wgrad_engine::ops::{Contrastive, Targets, contrastive};
use wgrad_engine::testing::bench::{Case, Run};
use wgrad_engine::testing::{dot, normal, relative_error, wide};

/// Queries, passages and width: in-batch negatives of growing batches, and a batch with seven hard negatives each.
pub fn cases() -> Vec<Case> {
    [
        ("in_batch_1024", [1024, 1024, 768]),
        ("in_batch_4096", [4096, 4096, 768]),
        ("hard_negatives_256x8", [256, 2048, 768]),
    ]
    .map(case)
    .into()
}

fn case((name, [queries, passages, width]): (&'static str, [usize; 3])) -> Case {
    let words = (queries + passages) * width;
    Case {
        stem: "contrastive",
        name,
        shape: format!("[{queries}, {width}] x [{passages}, {width}], forward and backward"),
        flops: 6 * (queries * passages * width) as u64,
        words: 2 * words as u64,
        prepare: Box::new(move |device| {
            // Unit length in the mean, as cosines have.
            let scale = 1.0 / (width as f32).sqrt();
            let values: Vec<f32> = normal(words, 3).iter().map(|value| value * scale).collect();
            let (q, p) = values.split_at(queries * width);
            let group = passages / queries;
            let options = Contrastive { temperature: 0.05, candidate_ids: None };

            // The truth of one query: the others are ignored.
            let last = queries - 1;
            let query = wide(&q[last * width..]);
            let scores: Vec<f64> =
                p.chunks(width).map(|passage| dot(&query, &wide(passage)) / 0.05).collect();
            let truth = scores.iter().map(|s| s.exp()).sum::<f64>().ln() - scores[last * group];
            let mut sample = vec![Targets::IGNORE; queries];
            sample[last] = (last * group) as u32;
            let sample = Targets::new(device, &sample, passages);
            let q = Tensor::f32(device, [queries, width], q).tracked();
            let p = Tensor::f32(device, [passages, width], p).tracked();
            let loss = contrastive(&q.detach(), &p.detach(), &sample, &options);
            let error = relative_error(&loss.to_f32(), &[truth]);

            let targets = Targets::first_of_groups(device, queries, group);
            let step = Box::new(move || drop(contrastive(&q, &p, &targets, &options).backward()));
            let chunk_words = (queries * passages).min(1 << 24);
            Run { step, error, workspace_bytes: 4 * chunk_words as u64 }
        }),
    }
}
