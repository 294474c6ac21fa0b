//! The loss over a large vocabulary, without the logits of all tokens ever lying in memory.

use super::Targets;
use super::fused_loss::{Saved, Scores, gradient_of};
use crate::device::Launch;
use crate::kernels::linear_cross_entropy::{BackwardBias, BackwardLogits, Forward, Params};
use crate::tensor::Tensor;

/// Gives the mean cross-entropy of softmax(`hidden · weightᵀ + bias`) against `targets`, over the rows that count.
///
/// The logits exist for a chunk of rows at a time, at most 64 MiB of them. Where a gradient is wanted, it is computed
/// along with the loss; under [`no_grad`](crate::tensor::no_grad) only the loss is. If no row counts, the loss and all
/// gradients are 0.
///
/// # Shapes
/// `hidden: [R, H]`, `weight: [V, H]`, `bias: [V]`, R targets among V → `[]`.
///
/// # Gradients
/// Flows to hidden, weight and bias: with `G = (softmax − onehot) / counted rows`, `dhidden = G·weight`,
/// `dweight = Gᵀ·hidden`, `dbias = Σ_rows G`. Keeps exactly these.
///
/// # Panics
/// If a shape does not fit.
///
/// # Source
/// Kernels `shaders/linear_cross_entropy.wgsl`, `fused_loss.wgsl` and `matmul.wgsl`; Hsu et al. 2024 (Liger Kernel),
/// arXiv:2410.10989, §3.2.
#[track_caller]
pub fn linear_cross_entropy(
    hidden: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    targets: &Targets,
) -> Tensor {
    let (_, width) = weight.shape().rows_and_last();
    let vocabulary = targets.class_count();
    weight.expect_shape("linear_cross_entropy: weight", &[vocabulary, width]);
    hidden.expect_shape("linear_cross_entropy: hidden", &[targets.rows(), width]);
    if let Some(bias) = bias {
        bias.expect_shape("linear_cross_entropy: bias", &[vocabulary]);
    }
    let device = hidden.device();
    let wants_gradient =
        [Some(hidden), Some(weight), bias].into_iter().flatten().any(Tensor::wants_gradient);
    let mut dbias = bias.and_then(|bias| gradient_of(bias, targets.rows()));

    let scores = Scores { left: hidden, right: weight, bias, targets };
    let (loss, [dhidden, dweight]) = scores.mean_loss(|chunk| {
        let elements = chunk.rows * vocabulary;
        let params = Params {
            rows: chunk.rows as u32,
            vocabulary: vocabulary as u32,
            accumulates: u32::from(chunk.continues),
        };
        let mut log_sum_exp = device.buffer(chunk.rows);
        let forward = Forward {
            params,
            targets: &chunk.classes,
            logits: &chunk.scores,
            log_sum_exp: &mut log_sum_exp,
            row_losses: &mut chunk.row_losses,
        };
        device.run(forward, Launch::rows(chunk.rows).flops(4 * elements).words(elements));
        if !wants_gradient {
            return;
        }
        let backward = BackwardLogits {
            params,
            targets: &chunk.classes,
            row_weight: chunk.row_weight,
            log_sum_exp: &log_sum_exp,
            logits: &mut chunk.scores,
        };
        device.run(backward, Launch::rows(chunk.rows).flops(4 * elements).words(2 * elements));
        if let Some(dbias) = &mut dbias {
            let sums = BackwardBias { params, logits: &chunk.scores, dbias: dbias.buffer_mut() };
            device.run(sums, Launch::lanes(vocabulary, 256).flops(elements).words(elements));
        }
    });
    match bias {
        Some(bias) => {
            let saved = Saved([dhidden, dweight, dbias]);
            loss.record("linear_cross_entropy", [hidden, weight, bias], saved)
        }
        None => loss.record("linear_cross_entropy", [hidden, weight], Saved([dhidden, dweight])),
    }
}
