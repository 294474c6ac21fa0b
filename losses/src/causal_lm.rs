//! The loss of a causal language model (Radford et al. 2018, "Improving Language Understanding by Generative Pre-Training", eq. 1).

use wgrad_engine::Tensor;
use wgrad_engine::ops::{self, Targets};

/// −mean over tokens of log softmax(h·Wᵀ) at the token that follows.
///
/// # Shapes
/// `states: [R, H]` (of the tokens that another follows), `table: [V, H]`, `targets: [R]` (what follows) → `[]`. The logits
/// `[R, V]` are never whole in memory.
///
/// # Source
/// `GPT2LMHeadModel.loss` of transformers: cross-entropy, mean over labels ≠ −100; 0 where there is no label.
#[track_caller]
pub fn causal_lm(states: &Tensor, table: &Tensor, targets: &Targets) -> Tensor {
    ops::linear_cross_entropy(states, table, None, targets)
}
