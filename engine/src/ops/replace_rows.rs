//! Other values in some rows of a matrix.

use super::Rows;
use crate::device::Launch;
use crate::kernels::replace_rows::{BackwardValues, BackwardX, Forward, Params};
use crate::tensor::{Backward, Tensor};

/// Replaces some rows: `y[rows[r]] = values[r]`, the others are those of `x`.
///
/// # Shapes
/// `x: [.., H]` of N rows, `values: [R, H]` → the shape of `x`.
///
/// # Gradients
/// Flows to both: `x` gets `dy` but 0 at the rows, `values` gets `dy` at the rows. Keeps the rows.
///
/// # Panics
/// If `x` has another number of rows than `rows` was checked against, or `values` another shape.
///
/// # Source
/// Kernel `shaders/replace_rows.wgsl`.
#[track_caller]
pub fn replace_rows(x: &Tensor, rows: &Rows, values: &Tensor) -> Tensor {
    let (rows_in, channels) = x.shape().rows_and_last();
    assert!(
        rows_in == rows.matrix_rows(),
        "replace_rows: x is {}, expected {} rows",
        x.shape(),
        rows.matrix_rows()
    );
    values.expect_shape("replace_rows: values", &[rows.len(), channels]);
    let device = x.device();
    let params = Params {
        rows_in: rows_in as u32,
        rows_replaced: rows.len() as u32,
        channels: channels as u32,
    };
    let words = rows_in * channels;
    let mut y = x.buffer_like(words);
    let (x_buffer, values_buffer) = (x.buffer(), values.buffer());
    let forward =
        Forward { params, x: x_buffer, values: values_buffer, slots: rows.slots(), y: &mut y };
    device.run(forward, Launch::lanes(words, 64).words(2 * words + rows_in));
    let saved = Saved { params, rows: rows.clone(), axes: x.shape().axes().to_vec() };
    Tensor::new(device, x.shape().clone(), y).record("replace_rows", [x, values], saved)
}

/// Which rows, of what.
struct Saved {
    params: Params,
    rows: Rows,
    axes: Vec<usize>,
}

impl Backward<2> for Saved {
    fn backward(self: Box<Self>, dy: &Tensor, [to_x, to_values]: [bool; 2]) -> [Option<Tensor>; 2] {
        let Self { params, rows, axes } = *self;
        let device = dy.device();
        let dx = || {
            let words = dy.shape().elements();
            let mut dx = dy.buffer_like(words);
            let launch = Launch::lanes(words, 64).words(2 * words + rows.matrix_rows());
            let keep = BackwardX { params, slots: rows.slots(), dy: dy.buffer(), dx: &mut dx };
            device.run(keep, launch);
            Tensor::new(device, axes, dx)
        };
        let dvalues = || {
            let size = [rows.len(), params.channels as usize];
            let words = size[0] * size[1];
            let mut dvalues = dy.buffer_like(words);
            let launch = Launch::lanes(words, 64).words(2 * words + size[0]);
            let (dy, rows) = (dy.buffer(), rows.rows());
            device.run(BackwardValues { params, dy, rows, dvalues: &mut dvalues }, launch);
            Tensor::new(device, size, dvalues)
        };
        [to_x.then(dx), to_values.then(dvalues)]
    }
}
