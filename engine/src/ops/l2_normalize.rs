//! Rows of unit length: what turns inner products into cosines.

use crate::device::{Buffer, Device, Launch};
use crate::kernels::l2_normalize::Params;
use crate::kernels::{l2_normalize as by_group, l2_normalize_rows as by_row};
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
/// Kernels `shaders/l2_normalize*.wgsl`; the clamp follows `torch.nn.functional.normalize`.
#[track_caller]
pub fn l2_normalize(x: &Tensor, epsilon: f32) -> Tensor {
    assert!(epsilon > 0.0, "l2_normalize: epsilon is {epsilon}, expected a positive number");
    let (rows, channels) = x.shape().rows_and_last();
    let elements = rows * channels;
    let device = x.device();
    let params = Params { rows: rows as u32, channels: channels as u32, epsilon };
    let (mut y, mut norm) = (device.buffer(elements), device.buffer(rows));
    let (x_in, y_out, norm_out) = (x.buffer(), &mut y, &mut norm);
    let cost = |launch: Launch| launch.flops(3 * elements).words(2 * elements + rows);
    if walks_rows(device, channels) {
        let kernel = by_row::Forward { params, x: x_in, y: y_out, norm: norm_out };
        device.run(kernel, cost(Launch::lanes(rows, ROW_LANES)));
    } else {
        let kernel = by_group::Forward { params, x: x_in, y: y_out, norm: norm_out };
        device.run(kernel, cost(Launch::rows(rows)));
    }
    let saved = Saved { params, y: y.clone(), norm };
    Tensor::new(device, x.shape().clone(), y).record("l2_normalize", [x], saved)
}

/// Lanes of a workgroup of `shaders/l2_normalize_rows.wgsl`.
const ROW_LANES: u32 = 32;
/// Most channels that one lane walks along: a longer sum in order would lose digits that a tree keeps.
const MOST_WALKED: usize = 4096;

/// Whether a lane a row is faster than a workgroup a row.
fn walks_rows(device: &Device, channels: usize) -> bool {
    device.is_software() && channels.is_multiple_of(4) && channels <= MOST_WALKED
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
        let mut dx = device.buffer(y.words());
        let rows = params.rows as usize;
        let (y, norm, dy_in, dx_out) = (&y, &norm, dy.buffer(), &mut dx);
        let cost = |launch: Launch| launch.flops(6 * y.words()).words(3 * y.words());
        if walks_rows(device, params.channels as usize) {
            let kernel = by_row::Backward { params, y, norm, dy: dy_in, dx: dx_out };
            device.run(kernel, cost(Launch::lanes(rows, ROW_LANES)));
        } else {
            let kernel = by_group::Backward { params, y, norm, dy: dy_in, dx: dx_out };
            device.run(kernel, cost(Launch::rows(rows)));
        }
        [Some(Tensor::new(device, dy.shape().clone(), dx))]
    }
}
