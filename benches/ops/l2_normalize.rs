//! l2_normalize: bandwidth alone.

use wgrad_engine::ops::l2_normalize;
use wgrad_engine::testing::bench::{Case, Run};
use wgrad_engine::testing::{normal, relative_error, wide};
use wgrad_engine::{Tensor, tensor::no_grad};

/// The embeddings of a large batch, and of a chunk of a corpus.
pub fn cases() -> Vec<Case> {
    [("batch_embeddings", 4096), ("corpus_chunk", 32_768)].map(case).into()
}

fn case((name, rows): (&'static str, usize)) -> Case {
    let width = 768;
    let elements = rows * width;
    Case {
        stem: "l2_normalize",
        name,
        shape: format!("[{rows}, {width}]"),
        flops: 3 * elements as u64,
        words: 2 * elements as u64,
        prepare: Box::new(move |device| {
            let x = normal(elements, 1);
            let expected = wide(&x).chunks(width).flat_map(unit).collect::<Vec<f64>>();
            let x = Tensor::f32(device, [rows, width], &x);
            let error = relative_error(&l2_normalize(&x, 1e-12).to_f32(), &expected);
            let step = Box::new(move || no_grad(|| drop(l2_normalize(&x, 1e-12))));
            Run { step, error, workspace_bytes: 4 * rows as u64 }
        }),
    }
}

fn unit(row: &[f64]) -> Vec<f64> {
    let length = row.iter().map(|x| x * x).sum::<f64>().sqrt();
    row.iter().map(|x| x / length).collect()
}
