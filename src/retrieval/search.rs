//! Exact search by inner product: the corpus passes over the device in pieces.

use wgrad_engine::ops::{RunningTopK, Transpose, matmul, top_k};
use wgrad_engine::{Device, Tensor, no_grad};

/// Scores of one piece at most: 16 Mi numbers, 64 MiB.
const MOST_SCORES: usize = 1 << 24;
/// Queries scored together at most.
const MOST_QUERIES: usize = 1024;

/// The `k` passages of highest inner product for every query, best first, ties to the lower index.
///
/// `queries: [M, D]` and `passages: [N, D]` lie on the host; no more than a piece of the scores exists at once.
///
/// # Panics
/// If a length is no multiple of `width`, or `k` is 0.
pub fn search(
    device: &Device,
    width: usize,
    queries: &[f32],
    passages: &[f32],
    k: usize,
    mut done: impl FnMut(usize),
) -> Vec<Vec<(u32, f32)>> {
    assert!(k > 0, "search: k is 0, expected 1 or more");
    assert!(queries.len().is_multiple_of(width) && passages.len().is_multiple_of(width));
    let total = passages.len() / width;
    let mut results = Vec::with_capacity(queries.len() / width);
    for block in queries.chunks(MOST_QUERIES * width) {
        let rows = block.len() / width;
        let block = Tensor::f32(device, [rows, width], block);
        let piece = (MOST_SCORES / rows).max(1);
        let mut best = RunningTopK::new(rows, k.min(total));
        for (number, passages) in passages.chunks(piece * width).enumerate() {
            let columns = passages.len() / width;
            let passages = Tensor::f32(device, [columns, width], passages);
            let scores = no_grad(|| matmul(&block, &passages, Transpose::Right)); // [M, N]
            let (values, indices) = top_k(&scores, k.min(columns));
            best.merge((number * piece) as u32, &values.to_f32(), &indices.to_u32());
        }
        results.extend((0..rows).map(|row| {
            best.row(row).iter().map(|&(score, index)| (index, score)).collect::<Vec<_>>()
        }));
        done(results.len());
    }
    results
}
