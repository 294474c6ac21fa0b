//! The masked language model's loss (Devlin et al. 2019, §3.1).

use wgrad_engine::Tensor;
use wgrad_engine::device::Format;
use wgrad_engine::ops::{self, Targets};

/// −mean over labelled tokens of log softmax(h·Wᵀ + b) at the token that stood there.
///
/// # Shapes
/// `states: [R, H]` (the labelled rows), `table: [V, H]`, `bias: [V]`, `targets: [R]` → `[]`. The logits `[R, V]` are
/// never whole in memory, and f32 whatever `states` are.
///
/// # Source
/// `BertForMaskedLM.loss` of transformers: cross-entropy, mean over labels ≠ −100; 0 where there is no label.
#[track_caller]
pub fn masked_lm(states: &Tensor, table: &Tensor, bias: &Tensor, targets: &Targets) -> Tensor {
    let states = ops::cast(states, Format::Word);
    ops::linear_cross_entropy(&states, table, Some(bias), targets)
}
