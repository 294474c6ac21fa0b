//! Rows of unit length: what turns inner products into cosines.

use crate::device::{Buffer, Launch};
use crate::kernels::l2_normalize::{Backward as BackwardKernel, Forward, Params};
use crate::tensor::{Backward, Tensor};

/// Scales each row of `x` to unit length: `y = x / max(‖x‖₂, epsilon)`.
///
/// # Shapes
/// `x: [.., C]` → `[.., C]`; the length is taken over the last axis.
///
/// # Gradients
/// Flows to `x`: `dx = (dy − y·⟨y, dy⟩) / ‖x‖₂`, and 0 for a row whose length is at most `epsilon`, where the
/// clamp's own slope 1/ε would drown everything else. Keeps `y` and one float a row.
///
/// # Panics
/// If `x` has no axes, or `epsilon` is not positive.
///
/// # Source
/// Kernel `shaders/l2_normalize.wgsl`; the clamp follows `torch.nn.functional.normalize`.
#[track_caller]
pub fn l2_normalize(x: &Tensor, epsilon: f32) -> Tensor {
    assert!(epsilon > 0.0, "l2_normalize: epsilon is {epsilon}, expected a positive number");
    let (rows, channels) = x.shape().rows_and_last();
    let elements = rows * channels;
    let device = x.device();
    let params = Params { rows: rows as u32, channels: channels as u32, epsilon };
    let (mut y, mut norm) = (device.buffer(elements), device.buffer(rows));
    let launch = Launch::rows(rows).flops(3 * elements).words(2 * elements + rows);
    device.run(Forward { params, x: x.buffer(), y: &mut y, norm: &mut norm }, launch);
    let saved = Saved { params, y: y.clone(), norm };
    Tensor::new(device, x.shape().clone(), y).record("l2_normalize", [x], saved)
}

/// The unit rows, and the length that each was divided by.
struct Saved {
    params: Params,
    y: Buffer,
    norm: Buffer,
}

impl Backward<1> for Saved {
    fn backward(self: Box<Self>, dy: &Tensor, _: [bool; 1]) -> [Option<Tensor>; 1] {
        let Self { params, y, norm } = *self;
        let device = dy.device();
        let mut dx = device.buffer(y.elements());
        let launch =
            Launch::rows(params.rows as usize).flops(6 * y.elements()).words(3 * y.elements());
        let kernel = BackwardKernel { params, y: &y, norm: &norm, dy: dy.buffer(), dx: &mut dx };
        device.run(kernel, launch);
        [Some(Tensor::new(device, dy.shape().clone(), dx))]
    }
}
