//! Rows as distributions, for what is neither attention nor a loss over many classes.

use crate::device::{Buffer, Launch};
use crate::kernels::softmax::{
    Backward as BackwardKernel, BackwardLog, Forward, ForwardLog, Params,
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
    let launch = Launch::rows(rows).flops(4 * n).words(2 * n);
    match form {
        Form::Plain => device.run(Forward { params, x: x.buffer(), y: &mut y }, launch),
        Form::Log => device.run(ForwardLog { params, x: x.buffer(), y: &mut y }, launch),
    }
    let saved = Saved { params, form, y: y.clone() };
    Tensor::new(device, x.shape().clone(), y).record(op, [x], saved)
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
        let (device, n) = (dy.device(), y.elements());
        let mut dx = device.buffer(n);
        let launch = Launch::rows(params.rows as usize).flops(4 * n).words(3 * n);
        let (y, dy_buffer) = (&y, dy.buffer());
        match form {
            Form::Plain => {
                device.run(BackwardKernel { params, y, dy: dy_buffer, dx: &mut dx }, launch);
            }
            Form::Log => device.run(BackwardLog { params, y, dy: dy_buffer, dx: &mut dx }, launch),
        }
        [Some(Tensor::new(device, dy.shape().clone(), dx))]
    }
}
