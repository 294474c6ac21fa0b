//! What a dual encoder learns from the scores of a better ranker: a divergence of distributions over candidates.

use wgrad_engine::Tensor;
use wgrad_engine::ops::{
    Contrastive, Targets, Transpose, add, contrastive_rows, log_softmax, matmul, multiply, scale,
    softmax, subtract, sum,
};

/// mean over queries of KL(softmax(teacher) ‖ softmax(⟨qᵢ, pⱼ⟩ / τ)), both over the query's own G passages.
///
/// A composition of `matmul`, `softmax`, `log_softmax` and sums over `[M, G]`; no kernel of its own.
///
/// # Shapes
/// `queries: [M, D]`, `passages: [M·G, D]` query-major, `teacher: [M, G]` scores → `[]`. A temperature of the teacher, or a
/// factor τ² of the loss (Hinton et al. 2015, arXiv:1503.02531, §2), is the caller's.
///
/// # Gradients
/// Flows to queries and passages, not to the teacher.
///
/// # Source
/// `KLDiv` of log-softmax scores, mean over queries: Santhanam et al. 2022 (ColBERTv2), arXiv:2112.01488, §3.3.
#[track_caller]
pub fn distillation(
    queries: &Tensor,
    passages: &Tensor,
    teacher: &Tensor,
    temperature: f32,
) -> Tensor {
    let student = log_softmax(&group_scores(queries, passages, teacher, temperature)); // [M, G]
    let (rows, _) = teacher.shape().rows_and_last();
    scale(&divergence(teacher, &student), 1.0 / rows as f32)
}

/// As [`distillation`], but the student's softmax runs over all M·G passages of the batch, of which the teacher knows the
/// query's own: the others are negatives.
///
/// A composition too, with the log-sum-exps Λ of [`contrastive_rows`]: log softmax(s) = s − Λ, and Σ softmax(teacher) = 1,
/// so that Λ is added once a query. Nothing of `[M, M·G]` is kept.
///
/// # Shapes
/// As [`distillation`].
///
/// # Gradients
/// As [`distillation`].
///
/// # Source
/// The same, with the in-batch negatives of Karpukhin et al. 2020, arXiv:2004.04906, §3.2.
#[track_caller]
pub fn distillation_over_batch(
    queries: &Tensor,
    passages: &Tensor,
    teacher: &Tensor,
    temperature: f32,
) -> Tensor {
    let scores = group_scores(queries, passages, teacher, temperature); // [M, G]
    let (rows, group) = teacher.shape().rows_and_last();
    let targets = Targets::first_of_groups(queries.device(), rows, group);
    let options = Contrastive { temperature, ..Contrastive::default() };
    let log_sums = contrastive_rows(queries, passages, &targets, &options).log_sum_exps; // [M]
    scale(&add(&divergence(teacher, &scores), &sum(&log_sums)), 1.0 / rows as f32)
}

/// ⟨qᵢ, pⱼ⟩ / τ of each query and its own passages: `[M, G]`.
#[track_caller]
fn group_scores(queries: &Tensor, passages: &Tensor, teacher: &Tensor, temperature: f32) -> Tensor {
    let ([rows, group], [_, width]) = (matrix(teacher), matrix(queries));
    queries.expect_shape("distillation: queries", &[rows, width]);
    passages.expect_shape("distillation: passages", &[rows * group, width]);
    let queries = queries.reshape([rows, 1, width]);
    let passages = passages.reshape([rows, group, width]);
    let scores = matmul(&queries, &passages, Transpose::Right); // [M, 1, G]
    scale(&scores.reshape([rows, group]), 1.0 / temperature)
}

/// Σ p·(log p − y), p = softmax(teacher), over all elements.
fn divergence(teacher: &Tensor, y: &Tensor) -> Tensor {
    let teacher = teacher.detach();
    sum(&multiply(&softmax(&teacher), &subtract(&log_softmax(&teacher), y)))
}

#[track_caller]
fn matrix(tensor: &Tensor) -> [usize; 2] {
    let axes = tensor.shape().axes();
    axes.try_into().unwrap_or_else(|_| panic!("distillation: {} is no matrix", tensor.shape()))
}
