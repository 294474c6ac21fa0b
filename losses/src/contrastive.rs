//! Contrastive cross-entropy over the passages of a batch (Karpukhin et al. 2020, arXiv:2004.04906, eq. 2).

use wgrad_engine::Tensor;
use wgrad_engine::ops::{self, Contrastive, Targets};

/// −mean over queries of log softmaxⱼ(eᵃ·⟨qᵢ, pⱼ⟩ / τ) at the query's own positive; every passage is a candidate. In both
/// [directions](wgrad_engine::ops::Directions), half of that and half of the same for passages among queries.
///
/// # Shapes
/// `queries: [M, D]`, `passages: [N, D]`, `targets: [M]` columns of the positives → `[]`. For cosine similarity both
/// have unit length.
///
/// # Source
/// van den Oord et al. 2018, arXiv:1807.03748, eq. 4, with the temperature of Chen et al. 2020, arXiv:2002.05709; both
/// directions and a as Radford et al. 2021, arXiv:2103.00020, figure 3.
#[track_caller]
pub fn contrastive(
    queries: &Tensor,
    passages: &Tensor,
    targets: &Targets,
    options: &Contrastive<'_>,
) -> Tensor {
    ops::contrastive(queries, passages, targets, options)
}
