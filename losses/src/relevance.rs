//! What a cross-encoder minimises: it should score a passage that answers its query above those that do not.

use wgrad_engine::Tensor;
use wgrad_engine::device::Format;
use wgrad_engine::ops::{self, Targets};

/// −mean over queries of log softmax(s) at the first passage of the query's group of G.
///
/// A composition over `[B, G]`; no kernel of its own.
///
/// # Shapes
/// `scores: [B·G, 1]`, query by query and the answer first → `[]`. f32 whatever `scores` are.
///
/// # Gradients
/// Flows to `scores`: `(softmax(s) − [answer])/B`.
///
/// # Panics
/// If the scores do not fall into groups.
///
/// # Source
/// Ren et al. 2021 (RocketQAv2), arXiv:2110.07367, the supervised loss of its re-ranker; Gao, Dai & Callan 2021,
/// arXiv:2101.08751.
#[track_caller]
pub fn listwise(scores: &Tensor, group_size: usize) -> Tensor {
    let (n, _) = scores.shape().rows_and_last();
    let queries = n / group_size;
    assert!(queries * group_size == n && n > 0, "listwise: {n} scores in groups of {group_size}");
    let scores = ops::cast(scores, Format::Word).reshape([queries, group_size]);
    let answer: Vec<f32> = (0..n).map(|at| f32::from(at % group_size == 0)).collect();
    let answer = Tensor::f32(scores.device(), [queries, group_size], &answer);
    let at_answer = ops::multiply(&ops::log_softmax(&scores), &answer);
    ops::scale(&ops::sum(&at_answer), -1.0 / queries as f32)
}

/// Binary cross-entropy of each pair on its own: −mean of y·log σ(s) + (1 − y)·log(1 − σ(s)).
///
/// # Shapes
/// `scores: [N, 1]`, N `targets` of 2 classes: 1 answers, 0 does not → `[]`. f32 whatever `scores` are.
///
/// # Source
/// Nogueira & Cho 2019, arXiv:1901.04085, eq. 1, a mean instead of the sum over a query's candidates.
#[track_caller]
pub fn pointwise(scores: &Tensor, targets: &Targets) -> Tensor {
    super::replaced_token(scores, targets) // the same binary cross-entropy
}
