//! REINFORCE with a baseline (Williams 1992), as ELECTRA's adversarial generator learns (Clark et al. 2020,
//! arXiv:2003.10555, appendix F).

use wgrad_engine::Tensor;
use wgrad_engine::device::Format;
use wgrad_engine::ops::{self, Targets};

use crate::replaced_token::{ORIGINAL, REPLACED, detection_rows};

/// −mean of (R_t − b_t)·log p(x̂_t), whose gradient is that of the expected reward up to its sign, by one draw a row.
///
/// # Shapes
/// `states: [R, H]`, `table: [V, H]`, `bias: [V]`, `drawn: [R]` (x̂), `advantages`: R times R_t − b_t → `[]`.
///
/// # Gradients
/// Flows to states, table and bias, not to rewards and baselines. f32 whatever `states` are.
///
/// # Panics
/// If a shape does not fit, or there is no row.
#[track_caller]
pub fn policy_gradient(
    (states, table, bias): (&Tensor, &Tensor, &Tensor),
    drawn: &Targets,
    advantages: &[f32],
) -> Tensor {
    let states = ops::cast(states, Format::Word);
    let surprise = ops::linear_cross_entropy_rows(&states, table, Some(bias), drawn, 0.0); // −log p(x̂)
    let advantages = Tensor::f32(states.device(), [advantages.len()], advantages);
    ops::mean(&ops::multiply(&surprise, &advantages))
}

/// The loss of a baseline b = −log σ(s) of rewards R: the mean binary cross-entropy of σ(s) against e^−R; and b itself.
///
/// # Shapes
/// `logits: [R, 1]` (s), `rewards`: R numbers of 0 or more → `[]`, and R numbers on the host.
///
/// # Gradients
/// Flows to `logits`.
///
/// # Panics
/// If a shape does not fit, or there is no row.
#[track_caller]
pub fn baseline(logits: &Tensor, rewards: &[f32]) -> (Tensor, Vec<f32>) {
    let rows = rewards.len();
    let logits = ops::cast(logits, Format::Word);
    let expected = detection_rows(&logits, &vec![REPLACED; rows]); // −log σ(s)
    let others = detection_rows(&logits, &vec![ORIGINAL; rows]); // −log σ(−s)
    let shares = |of: fn(f32) -> f32| {
        let shares: Vec<f32> = rewards.iter().map(|&reward| of((-reward).exp())).collect();
        Tensor::f32(logits.device(), [rows], &shares)
    };
    let (right, wrong) = (shares(|q| q), shares(|q| 1.0 - q));
    let losses = ops::add(&ops::multiply(&expected, &right), &ops::multiply(&others, &wrong));
    (ops::mean(&losses), expected.to_f32())
}
