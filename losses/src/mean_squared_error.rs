//! What a regression minimises.

use wgrad_engine::Tensor;
use wgrad_engine::device::Format;
use wgrad_engine::ops;

/// `mean (y − z)²` of scores z and the values y they should have.
///
/// # Shapes
/// `scores: [N, 1]`, `values: [N, 1]` → `[]`. f32 whatever `scores` are.
///
/// # Gradients
/// Flows to `scores`: `2·(z − y)/N`.
///
/// # Panics
/// If the shapes differ, or there is no row.
///
/// # Source
/// `torch.nn.MSELoss`, which transformers takes where `num_labels` is 1.
#[track_caller]
pub fn mean_squared_error(scores: &Tensor, values: &Tensor) -> Tensor {
    let difference = ops::subtract(&ops::cast(scores, Format::Word), values);
    ops::mean(&ops::multiply(&difference, &difference))
}
