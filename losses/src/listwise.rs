//! Softmax cross-entropy over scores that stand already, each query among candidates of its own (Khattab & Zaharia 2020,
//! arXiv:2004.12832, §3.4).

use wgrad_engine::ops::{add, log_softmax, multiply, scale, sum};
use wgrad_engine::{Device, Tensor};

/// Added to the score of what is no candidate: finite, and exp of it is 0 beside any score.
const NO_CANDIDATE: f32 = -1e30;

/// Among which columns of a matrix of scores each query chooses, and which of them is right.
pub struct Candidates {
    /// `[M, N]`: 1 at the positives.
    positives: Tensor,
    /// `[M, N]`: 0 at the candidates.
    offsets: Tensor,
}

impl Candidates {
    /// Those of `columns` where `is_candidate(row, column)`; the positive of row i is `positives[i]`, always a candidate.
    ///
    /// # Panics
    /// If a positive is no column.
    #[track_caller]
    pub fn new(
        device: &Device,
        columns: usize,
        positives: &[u32],
        is_candidate: impl Fn(usize, usize) -> bool,
    ) -> Self {
        let rows = positives.len();
        let mut ones = vec![0.0; rows * columns];
        let mut offsets = vec![NO_CANDIDATE; rows * columns];
        for (row, &positive) in positives.iter().enumerate() {
            let positive = positive as usize;
            assert!(positive < columns, "candidates: {positive} is no column of {columns}");
            ones[row * columns + positive] = 1.0;
            for column in (0..columns).filter(|&c| c == positive || is_candidate(row, c)) {
                offsets[row * columns + column] = 0.0;
            }
        }
        let matrix = |values: &[f32]| Tensor::f32(device, [rows, columns], values);
        Self { positives: matrix(&ones), offsets: matrix(&offsets) }
    }
}

/// −mean over queries of log softmax(scores) at the positive, the sum being over the candidates.
///
/// # Shapes
/// `scores: [M, N]`, as `candidates` → `[]`.
///
/// # Gradients
/// Flows to `scores`: `(softmax − onehot) / M` at the candidates, 0 elsewhere.
///
/// # Panics
/// If the shapes differ.
///
/// # Source
/// `nn.CrossEntropyLoss` of stanford-futuredata/ColBERT, `colbert/training/training.py` and `ib_loss` of
/// `colbert/modeling/colbert.py`.
#[track_caller]
pub fn listwise(scores: &Tensor, candidates: &Candidates) -> Tensor {
    let (rows, _) = scores.shape().rows_and_last();
    let log_shares = log_softmax(&add(scores, &candidates.offsets)); // [M, N]
    scale(&sum(&multiply(&log_shares, &candidates.positives)), -1.0 / rows as f32)
}
