//! Scaled dot-product attention of all heads at once, without the matrix of weights.

mod backward;
mod inputs;
mod trial;
mod variant;

use self::backward::Saved;
use self::inputs::Inputs;
use self::variant::Variant;
pub(super) use self::variant::{BLOCK_CHANNELS, EMULATED_WIDTH, is_emulated};
use super::visibility::Visibility;
use crate::random::Dropout;
use crate::tensor::Tensor;

/// Mixes the rows of `v` that each query sees: `y = dropout(softmax(q·kᵀ/√D))·v` for every head.
///
/// Rows that see nothing give 0. Scores and weights are recomputed tile by tile and never stored.
///
/// # Shapes
/// `q: [B, T, A, D]`, `k, v: [B, S, A, D]` → `[B, T, A, D]`, each as a projection `[B, T, A·D]` lies;
/// D is a multiple of 4 up to 128.
///
/// # Gradients
/// Flows to `q`, `k` and `v`. Keeps them, `y`, and one float per row and head.
///
/// # Panics
/// If shapes do not fit, T or S is 0, or D is no multiple of 4 from 4 to 128.
///
/// # Source
/// Vaswani et al. 2017, arXiv:1706.03762, eq. 1. Kernels `shaders/attention.wgsl`, `shaders/attention_backward.wgsl`.
#[track_caller]
pub fn attention(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    visibility: &Visibility,
    dropout: Option<&Dropout>,
) -> Tensor {
    let variant = Variant::of(q.device(), q.format());
    let inputs = Inputs::new([q, k, v], visibility, dropout, variant);
    let (y, lse) = inputs.forward(q.device());
    let saved = Saved { inputs, y: y.clone(), lse };
    Tensor::new(q.device(), q.shape().clone(), y).record("attention", [q, k, v], saved)
}
