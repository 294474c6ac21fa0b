//! The loss that pulls a query to its passage and pushes it from all others of the batch.

use super::Targets;
use super::fused_loss::{Saved, Scores};
use crate::device::Launch;
use crate::kernels::contrastive::{BackwardScores, Forward, Params};
use crate::tensor::Tensor;

/// What a contrastive loss is told besides its embeddings.
#[derive(Clone, Copy, Debug)]
pub struct Contrastive<'a> {
    /// τ: scores are divided by it. 1 for inner products, 0.01 to 0.05 for cosines.
    pub temperature: f32,
    /// u32 `[N]`, the same number for the same passage: copies of a query's positive are no negatives of that query.
    pub candidate_ids: Option<&'a Tensor>,
}

/// Gives the mean cross-entropy of softmax(`queries · passagesᵀ / τ`) against `targets`, over the queries that count.
///
/// Every passage is a candidate of every query; those whose id equals that of the query's target, but for the target
/// itself, are left out. Scores exist for a chunk of queries at a time, at most 64 MiB of them. For cosines,
/// [`l2_normalize`](super::l2_normalize) comes first; for a temperature that is trained, scale the queries by eˢ and
/// leave τ at 1.
///
/// # Shapes
/// `queries: [M, D]`, `passages: [N, D]`, M targets among N → `[]`.
///
/// # Gradients
/// Flows to queries and passages: with `G = (softmax − onehot) / (τ · counted queries)`, `dqueries = G·passages`,
/// `dpassages = Gᵀ·queries`. Keeps exactly these.
///
/// # Panics
/// If a shape does not fit, or the temperature is not positive.
///
/// # Source
/// Kernels `shaders/contrastive.wgsl`, `fused_loss.wgsl` and `matmul.wgsl`; van den Oord et al. 2018,
/// arXiv:1807.03748, eq. 4.
#[track_caller]
pub fn contrastive(
    queries: &Tensor,
    passages: &Tensor,
    targets: &Targets,
    options: &Contrastive<'_>,
) -> Tensor {
    let Contrastive { temperature, candidate_ids } = *options;
    assert!(temperature > 0.0, "contrastive: temperature is {temperature}, expected above 0");
    let (_, width) = passages.shape().rows_and_last();
    let candidates = targets.class_count();
    passages.expect_shape("contrastive: passages", &[candidates, width]);
    queries.expect_shape("contrastive: queries", &[targets.rows(), width]);
    if let Some(ids) = candidate_ids {
        ids.expect_shape("contrastive: candidate_ids", &[candidates]);
    }
    let device = queries.device();
    let wants_gradient = queries.wants_gradient() || passages.wants_gradient();
    let no_ids = device.upload_u32(&[0]);
    let ids = candidate_ids.map_or(&no_ids, Tensor::buffer);

    let scores = Scores { left: queries, right: passages, bias: None, targets };
    let (loss, gradients) = scores.mean_loss(|chunk| {
        let elements = chunk.rows * candidates;
        let params = Params {
            rows: chunk.rows as u32,
            passages: candidates as u32,
            has_ids: u32::from(candidate_ids.is_some()),
            inverse_temperature: 1.0 / temperature,
        };
        let mut log_sum_exp = device.buffer(chunk.rows);
        let forward = Forward {
            params,
            candidate_ids: ids,
            targets: &chunk.classes,
            scores: &chunk.scores,
            log_sum_exp: &mut log_sum_exp,
            row_losses: &mut chunk.row_losses,
        };
        device.run(forward, Launch::rows(chunk.rows).flops(4 * elements).words(elements));
        if wants_gradient {
            let backward = BackwardScores {
                params,
                candidate_ids: ids,
                targets: &chunk.classes,
                row_weight: chunk.row_weight,
                log_sum_exp: &log_sum_exp,
                scores: &mut chunk.scores,
            };
            device.run(backward, Launch::rows(chunk.rows).flops(5 * elements).words(2 * elements));
        }
    });
    loss.record("contrastive", [queries, passages], Saved(gradients))
}
