//! top_k: the best passages of each query among a chunk of scores.

use wgrad_engine::params::top_k::Params;
use wgrad_engine::reference::top_k as twin;
use wgrad_engine::testing::bench::{Case, Run};
use wgrad_engine::testing::{normal, relative_error, wide};
use wgrad_engine::{Device, Tensor, ops};

/// Queries, passages and k of a chunk of exact search, and of mining negatives.
pub fn cases() -> Vec<Case> {
    [("search_chunk_k100", 64, 65_536, 100), ("search_chunk_k1000", 64, 65_536, 1000)]
        .map(case)
        .into()
}

fn case((name, rows, columns, k): (&'static str, usize, usize, usize)) -> Case {
    Case {
        stem: "top_k",
        name,
        shape: format!("[{rows}, {columns}] → {k}"),
        flops: 0,
        words: (rows * (columns + 2 * k)) as u64,
        prepare: Box::new(move |device| prepare(device, [rows, columns, k])),
    }
}

fn prepare(device: &Device, [rows, columns, k]: [usize; 3]) -> Run {
    let values = normal(rows * columns, 1);
    let scores = Tensor::f32(device, [rows, columns], &values);
    // The first query, by the twin's plain sort.
    let params = Params { rows: 1, columns: columns as u32, k: k as u32 };
    let (mut expected, mut order) = (vec![0.0; k], vec![0; k]);
    twin::forward(&params, &wide(&values[..columns]), (&mut expected, &mut order));
    let (best, indices) = ops::top_k(&scores, k);
    let same = indices.to_u32()[..k] == order;
    let error = if same { relative_error(&best.to_f32()[..k], &expected) } else { f64::INFINITY };
    Run { step: Box::new(move || drop(ops::top_k(&scores, k))), error, workspace_bytes: 0 }
}
