//! Replaced token detection (Clark et al. 2020, arXiv:2003.10555, §2).

use wgrad_engine::Tensor;
use wgrad_engine::device::Format;
use wgrad_engine::ops::{self, Targets};

/// Binary cross-entropy: −mean of y·log σ(z) + (1 − y)·log(1 − σ(z)), with y = 1 for a token that was replaced.
///
/// It is the cross-entropy of softmax([0, z]), which never takes an exponential of what is positive.
///
/// # Shapes
/// `logits: [R, 1]`, R `targets` of 2 classes: 0 is original, 1 is replaced → `[]`. f32 whatever `logits` are.
///
/// # Source
/// `L_Disc` of §2; `ElectraForPreTraining.loss` of transformers, a mean over the tokens that are no padding.
#[track_caller]
pub fn replaced_token(logits: &Tensor, targets: &Targets) -> Tensor {
    let logits = ops::cast(logits, Format::Word);
    let classes = Tensor::f32(logits.device(), [2, 1], &[0.0, 1.0]);
    ops::linear_cross_entropy(&logits, &classes, None, targets)
}

/// The class of a token that stands as it was.
pub const ORIGINAL: u32 = 0;
/// The class of a token that was replaced.
pub const REPLACED: u32 = 1;

/// The binary cross-entropy of each row, of which [`replaced_token`] is the mean: −log σ(z) where the class is
/// [`REPLACED`], −log σ(−z) where it is [`ORIGINAL`].
///
/// # Shapes
/// `logits: [R, 1]`, R `classes` → `[R]`.
#[track_caller]
pub fn detection_rows(logits: &Tensor, classes: &[u32]) -> Tensor {
    let logits = ops::cast(logits, Format::Word);
    let weights = Tensor::f32(logits.device(), [2, 1], &[0.0, 1.0]);
    let targets = Targets::new(logits.device(), classes, 2);
    ops::linear_cross_entropy_rows(&logits, &weights, None, &targets, 0.0)
}
