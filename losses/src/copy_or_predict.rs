//! The loss of a model that may copy a token or predict it (Clark et al. 2020, arXiv:2003.10555, §3.4, "All-Tokens MLM").

use wgrad_engine::Tensor;
use wgrad_engine::device::Format;
use wgrad_engine::ops::{self, Targets};

use crate::replaced_token::{ORIGINAL, REPLACED, detection_rows};

/// −mean of log p(x_t), with `p(v) = D·1[v = x̂_t] + (1 − D)·softmax(h·Wᵀ + b)_v` and D = σ(c): the gate copies x̂_t, what
/// stands in the input, or leaves the choice to the vocabulary.
///
/// With a = log D and b = log(1 − D) + log softmax(z)_x, a row is −log(eᵃ + eᵇ) where x̂_t = x_t, else −b; neither
/// exponential leaves a logarithm.
///
/// # Shapes
/// `gates: [R, 1]` (c), `states: [R, H]`, `table: [V, H]`, `bias: [V]`, `targets: [R]` (x), `is_copy`: R times whether
/// x̂_t = x_t → `[]`. f32 whatever gates and states are.
///
/// # Gradients
/// Flows to gates, states, table and bias: with w = eᵇ/(eᵃ + eᵇ), or 1 where x̂_t ≠ x_t, `dc = D − (1 − w)`,
/// `dz = w·(softmax − onehot)`.
///
/// # Panics
/// If a shape does not fit, or there is no row.
#[track_caller]
pub fn copy_or_predict(
    gates: &Tensor,
    (states, table, bias): (&Tensor, &Tensor, &Tensor),
    targets: &Targets,
    is_copy: &[bool],
) -> Tensor {
    let (device, rows) = (gates.device(), is_copy.len());
    let gates = ops::cast(gates, Format::Word);
    let states = ops::cast(states, Format::Word);
    let wrong = ops::linear_cross_entropy_rows(&states, table, Some(bias), targets, 0.0); // −log softmax(z)_x
    let copies = detection_rows(&gates, &vec![REPLACED; rows]); // −a, with σ(c) as the probability of class 1
    let predicts = ops::add(&detection_rows(&gates, &vec![ORIGINAL; rows]), &wrong); // −b

    let columns = [&copies, &predicts].map(|row| ops::scale(&row.reshape([rows, 1]), -1.0));
    let shares = ops::log_softmax(&ops::concat(&[&columns[0], &columns[1]], 1)); // [R, 2]
    let share = ops::split(&shares, 1, &[1, 1]).swap_remove(0).reshape([rows]);
    let either = ops::add(&share, &copies); // −log(eᵃ + eᵇ)

    let marks = |of: bool| {
        let marks: Vec<f32> = is_copy.iter().map(|&copy| f32::from(copy == of)).collect();
        Tensor::f32(device, [rows], &marks)
    };
    let (copied, replaced) = (marks(true), marks(false));
    let losses = ops::add(&ops::multiply(&either, &copied), &ops::multiply(&predicts, &replaced));
    ops::mean(&losses)
}
