//! Rows as distributions, for what is neither attention nor a loss over many classes.

use super::row_share::{row_lanes, row_launch};
use crate::device::{Buffer, Device, Kernel, Launch};
use crate::kernels::softmax::{
    Backward as BackwardKernel, BackwardLog, Constants, Forward, ForwardLog, Params,
};
use crate::tensor::{Backward, Tensor};

/// Gives each row as a distribution: `y = exp(x) / Σ exp(x)`.
///
/// # Shapes
/// `x: [.., C]` → `[.., C]`; the sum is over the last axis.
///
/// # Gradients
/// Flows to `x`: `dx = y·(dy − ⟨y, dy⟩)`. Keeps `y`.
///
/// # Panics
/// If `x` has no axes.
///
/// # Source
/// Kernel `shaders/softmax.wgsl`.
#[track_caller]
pub fn softmax(x: &Tensor) -> Tensor {
    run(x, "softmax", Form::Plain)
}

/// Gives the logarithm of each row's distribution: `y = x − log Σ exp(x)`, finite where the weight itself rounds to 0.
///
/// # Shapes
/// As [`softmax`].
///
/// # Gradients
/// Flows to `x`: `dx = dy − exp(y)·Σ dy`. Keeps `y`.
///
/// # Panics
/// If `x` has no axes.
///
/// # Source
/// Kernel `shaders/softmax.wgsl`.
#[track_caller]
pub fn log_softmax(x: &Tensor) -> Tensor {
    run(x, "log_softmax", Form::Log)
}

#[derive(Clone, Copy)]
enum Form {
    Plain,
    Log,
}

#[track_caller]
fn run(x: &Tensor, op: &'static str, form: Form) -> Tensor {
    let (rows, channels) = x.shape().rows_and_last();
    let (device, n) = (x.device(), rows * channels);
    let params = Params { rows: rows as u32, channels: channels as u32 };
    let mut y = device.buffer(n);
    let (constants, launch) = share(device, &params);
    let (launch, x_buffer, to) = (launch.flops(4 * n).words(2 * n), x.buffer(), &mut y);
    match form {
        Form::Plain => device.run(Forward { params, constants, x: x_buffer, y: to }, launch),
        Form::Log => device.run(ForwardLog { params, constants, x: x_buffer, y: to }, launch),
    }
    let saved = Saved { params, form, y: y.clone() };
    Tensor::new(device, x.shape().clone(), y).record(op, [x], saved)
}

/// How many lanes share a row, and as many workgroups as that takes.
fn share(device: &Device, params: &Params) -> (Constants, Launch) {
    let [lanes, ..] = Forward::WORKGROUP;
    let row_lanes = row_lanes(device, params.channels as usize, lanes);
    (Constants { row_lanes }, row_launch(params.rows as usize, row_lanes, lanes))
}

/// The result, which both gradients are made of.
struct Saved {
    params: Params,
    form: Form,
    y: Buffer,
}

impl Backward<1> for Saved {
    fn backward(self: Box<Self>, dy: &Tensor, _: [bool; 1]) -> [Option<Tensor>; 1] {
        let Self { params, form, y } = *self;
        let (device, shape, n) = (dy.device(), dy.shape().clone(), y.elements());
        let mut dx = device.buffer(n);
        let (constants, launch) = share(device, &params);
        let launch = launch.flops(4 * n).words(3 * n);
        let (y, dy, to) = (&y, dy.buffer(), &mut dx);
        match form {
            Form::Plain => {
                device.run(BackwardKernel { params, constants, y, dy, dx: to }, launch);
            }
            Form::Log => device.run(BackwardLog { params, constants, y, dy, dx: to }, launch),
        }
        [Some(Tensor::new(device, shape, dx))]
    }
}
