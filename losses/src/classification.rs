//! What a classifier minimises: the cross-entropy of its classes.

use wgrad_engine::Tensor;
use wgrad_engine::device::Format;
use wgrad_engine::ops::{self, Targets};

/// −mean over rows that count of log softmax(h·Wᵀ + b) at the row's class.
///
/// # Shapes
/// `states: [N, H]`, `weight: [C, H]`, `bias: [C]`, N `targets` of C classes → `[]`. f32 whatever `states` are.
///
/// # Source
/// Devlin et al. 2019, arXiv:1810.04805, §4.1: log(softmax(CWᵀ)); `torch.nn.CrossEntropyLoss`, a mean over labels ≠ −100.
#[track_caller]
pub fn classification(
    states: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    targets: &Targets,
) -> Tensor {
    let states = ops::cast(states, Format::Word);
    ops::linear_cross_entropy(&states, weight, Some(bias), targets)
}
