//! Dropout on its own, where no neighbour has it fused.

use crate::device::Launch;
use crate::kernels::dropout::{Forward, Params};
use crate::random::{Dropout, dropout_threshold};
use crate::tensor::{Backward, Tensor};

/// Zeroes elements with the probability of `dropout` and scales the others by 1/(1 − p).
///
/// # Shapes
/// `x: [.., C]` → `[.., C]`; row n of the `[N, C]` view draws as global row n + `first_row`.
///
/// # Gradients
/// Flows to `x`, through the same elements. Keeps nothing but the key.
///
/// # Panics
/// If `x` has no axes, or the probability is not in [0, 1).
///
/// # Source
/// Srivastava et al. 2014, JMLR 15, §10. Kernel `shaders/dropout.wgsl`.
#[track_caller]
pub fn dropout(x: &Tensor, dropout: &Dropout) -> Tensor {
    dropout.key.expect_shape("dropout: key", &[2]);
    if dropout.probability == 0.0 {
        return x.clone();
    }
    masked(x, dropout).record("dropout", [x], Saved { dropout: dropout.clone() })
}

struct Saved {
    dropout: Dropout,
}

impl Backward<1> for Saved {
    fn backward(self: Box<Self>, dy: &Tensor, _: [bool; 1]) -> [Option<Tensor>; 1] {
        [Some(masked(dy, &self.dropout))]
    }
}

/// `x ⊙ k`, outside any graph: forward on x, backward on dy.
#[track_caller]
fn masked(x: &Tensor, dropout: &Dropout) -> Tensor {
    let (rows, channels) = x.shape().rows_and_last();
    let params = Params {
        rows: rows as u32,
        channels: channels as u32,
        site: dropout.site,
        first_row: dropout.first_row,
        threshold: dropout_threshold(dropout.probability),
        keep_scale: 1.0 / (1.0 - dropout.probability),
    };
    let mut y = x.buffer_like(rows * channels);
    // Ten rounds of philox are about a hundred integer operations a quad.
    let launch = Launch::lanes(rows * channels.div_ceil(4), 256);
    let launch = launch.flops(25 * rows * channels).words(2 * rows * channels);
    let kernel = Forward { params, key: dropout.key.buffer(), x: x.buffer(), y: &mut y };
    x.device().run(kernel, launch);
    Tensor::new(x.device(), x.shape().clone(), y)
}
