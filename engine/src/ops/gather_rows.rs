//! Some rows of a matrix.

use super::Rows;
use crate::device::Launch;
use crate::kernels::gather_rows::{Backward as Scatter, Forward, Params};
use crate::tensor::{Backward, Tensor};

/// Keeps some rows: `y[r] = x[rows[r]]`.
///
/// # Shapes
/// `x: [.., H]` of N rows, R of them → `[R, H]`.
///
/// # Gradients
/// Flows to `x`: `dy` at the rows, 0 elsewhere. Keeps the rows.
///
/// # Panics
/// If `x` has another number of rows than `rows` was checked against.
///
/// # Source
/// Kernel `shaders/gather_rows.wgsl`.
#[track_caller]
pub fn gather_rows(x: &Tensor, rows: &Rows) -> Tensor {
    let (rows_in, channels) = x.shape().rows_and_last();
    assert!(
        rows_in == rows.matrix_rows(),
        "gather_rows: x is {}, expected {} rows",
        x.shape(),
        rows.matrix_rows()
    );
    let device = x.device();
    let params =
        Params { rows_in: rows_in as u32, rows_out: rows.len() as u32, channels: channels as u32 };
    let words = rows.len() * channels;
    let mut y = x.buffer_like(words);
    let launch = Launch::lanes(words, 64).words(2 * words + rows.len());
    device.run(Forward { params, x: x.buffer(), rows: rows.rows(), y: &mut y }, launch);
    let saved = Saved { params, rows: rows.clone(), axes: x.shape().axes().to_vec() };
    Tensor::new(device, [rows.len(), channels], y).record("gather_rows", [x], saved)
}

/// Which rows, of what.
struct Saved {
    params: Params,
    rows: Rows,
    axes: Vec<usize>,
}

impl Backward<1> for Saved {
    fn backward(self: Box<Self>, dy: &Tensor, [to_x]: [bool; 1]) -> [Option<Tensor>; 1] {
        let Self { params, rows, axes } = *self;
        let device = dy.device();
        let dx = || {
            let words = axes.iter().product::<usize>();
            let mut dx = dy.buffer_like(words);
            let launch = Launch::lanes(words, 64);
            let launch = launch.words(words + dy.shape().elements() + rows.matrix_rows());
            let scatter = Scatter { params, dy: dy.buffer(), slots: rows.slots(), dx: &mut dx };
            device.run(scatter, launch);
            Tensor::new(device, axes, dx)
        };
        [to_x.then(dx)]
    }
}
