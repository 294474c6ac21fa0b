//! What a cross-encoder minimises that judges each pair on its own.

use wgrad_engine::Tensor;
use wgrad_engine::ops::Targets;

/// Binary cross-entropy of each pair: −mean of y·log σ(s) + (1 − y)·log(1 − σ(s)).
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
