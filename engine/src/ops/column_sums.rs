//! The sum of the rows of a matrix.

use crate::device::{Format, Launch};
use crate::kernels::column_sums::{Backward as Spread, Combine, Params, SumStrips};
use crate::tensor::{Backward, Tensor};

/// Rows of a strip at least: one lane adds them in a loop.
const LEAST_STRIP: usize = 32;
/// Strips at most: one lane adds their sums in a loop.
const MOST_STRIPS: usize = 128;

/// Adds up all axes but the last: `y = Σₙ xₙ`.
///
/// # Shapes
/// `x: [.., C]` → `[C]`.
///
/// # Gradients
/// Flows to `x`: every row gets `dy`. Keeps nothing.
///
/// # Panics
/// If `x` has no axes.
///
/// # Source
/// Kernel `shaders/column_sums.wgsl`: strips of rows, then their sums, in a fixed order.
#[track_caller]
pub fn column_sums(x: &Tensor) -> Tensor {
    let (rows, channels) = x.shape().rows_and_last();
    let device = x.device();
    let strip = rows.div_ceil(MOST_STRIPS).max(LEAST_STRIP);
    let strips = rows.div_ceil(strip).max(1);
    let params = Params {
        rows: rows as u32,
        channels: channels as u32,
        strip: strip as u32,
        strips: strips as u32,
    };
    let [x_groups, z_groups, _] = Launch::lanes(channels, 64).groups;
    let mut partials = device.buffer(strips * channels);
    let launch = Launch::groups([x_groups, strips as u32, z_groups]);
    let launch = launch.flops(rows * channels).words((rows + strips) * channels);
    device.run(SumStrips { params, x: x.buffer(), partials: &mut partials }, launch);
    let y = if strips == 1 {
        partials
    } else {
        let mut y = device.buffer(channels);
        let launch = Launch::groups([x_groups, 1, z_groups]);
        let launch = launch.flops(strips * channels).words((strips + 1) * channels);
        device.run(Combine { params, strip_sums: &partials, y: &mut y }, launch);
        y
    };
    let saved = Saved { params, axes: x.shape().axes().to_vec(), format: x.format() };
    Tensor::new(device, [channels], y).record("column_sums", [x], saved)
}

/// Only how x lies.
struct Saved {
    params: Params,
    axes: Vec<usize>,
    format: Format,
}

impl Backward<1> for Saved {
    fn backward(self: Box<Self>, dy: &Tensor, [to_x]: [bool; 1]) -> [Option<Tensor>; 1] {
        let Self { params, axes, format } = *self;
        let device = dy.device();
        let dx = || {
            let elements = axes.iter().product();
            let mut dx = device.buffer_of(format, elements);
            let launch = Launch::lanes(elements, 64).words(elements + params.channels as usize);
            device.run(Spread { params, dy: dy.buffer(), dx: &mut dx }, launch);
            Tensor::new(device, axes, dx)
        };
        [to_x.then(dx)]
    }
}
