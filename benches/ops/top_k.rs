//! top_k: how often the scores of a chunk of corpus are read.

use wgrad_engine::Tensor;
use wgrad_engine::ops::top_k;
use wgrad_engine::params::top_k::Params;
use wgrad_engine::reference::top_k as twin;
use wgrad_engine::testing::bench::{Case, Run};
use wgrad_engine::testing::{normal, relative_error, wide};

/// Queries, columns and k: a chunk of exact search, and of mining negatives.
pub fn cases() -> Vec<Case> {
    [("search_chunk_k100", [64, 65_536, 100]), ("search_chunk_k1000", [64, 65_536, 1000])]
        .map(case)
        .into()
}

fn case((name, [rows, columns, k]): (&'static str, [usize; 3])) -> Case {
    Case {
        stem: "top_k",
        name,
        shape: format!("[{rows}, {columns}], k {k}"),
        flops: 0,
        words: (rows * (columns + 2 * k)) as u64,
        prepare: Box::new(move |device| {
            let scores = normal(rows * columns, 1);
            let params = Params { rows: 1, columns: columns as u32, k: k as u32 };
            let (mut values, mut indices) = (vec![0.0; k], vec![0; k]);
            twin::forward(&params, &wide(&scores[..columns]), (&mut values, &mut indices));
            let scores = Tensor::f32(device, [rows, columns], &scores);
            let error = relative_error(&top_k(&scores, k).0.to_f32()[..k], &values);
            let step = Box::new(move || drop(top_k(&scores, k)));
            Run { step, error, workspace_bytes: 0 }
        }),
    }
}
