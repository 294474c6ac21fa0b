//! The bag of words: a vector over the vocabulary has to name the words of its text (Liu et al. 2023, arXiv:2305.02564).

use wgrad_engine::Tensor;
use wgrad_engine::ops;

/// `−1/B · Σ_b Σ_v w_bv · log softmax(μ_b)_v`.
///
/// # Shapes
/// `scores: [B, V]` (μ), `weights: [B, V]` (w, 0 where a word is not in the text) → `[]`.
///
/// # Gradients
/// Flows to `scores`: `dμ_bv = (p_bv·Σᵤ w_bu − w_bv)/B` with `p = softmax(μ)`.
///
/// # Panics
/// If the shapes differ, or there is no text.
///
/// # Source
/// staoxiao/RetroMAE at ee37587, `decoder_ot_loss` of `src/pretrain/modeling_duplex.py`.
#[track_caller]
pub fn bag_of_words(scores: &Tensor, weights: &Tensor) -> Tensor {
    let (texts, _) = scores.shape().rows_and_last();
    assert!(texts > 0, "bag_of_words: scores are {}, expected a text at least", scores.shape());
    let weighted = ops::multiply(&ops::log_softmax(scores), weights); // [B, V]
    ops::scale(&ops::sum(&weighted), -1.0 / texts as f32)
}
