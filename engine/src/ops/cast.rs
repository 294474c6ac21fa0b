//! The same numbers in another format.

use crate::device::{Buffer, Device, Format, Launch};
use crate::kernels::cast::{Backward as Widen, Forward as Round, Params};
use crate::tensor::{Backward, Tensor};

/// Stores the elements of `x` as `format`: to f16 each is rounded to the nearest, to f32 nothing changes.
///
/// A tensor that lies so already is given back as it is.
///
/// # Gradients
/// Flows to `x`, in the format of `x`. Keeps nothing.
///
/// # Source
/// Kernel `shaders/cast.wgsl`; Micikevicius et al. 2018, arXiv:1710.03740, §3.1.
pub fn cast(x: &Tensor, format: Format) -> Tensor {
    if x.format() == format {
        return x.clone();
    }
    let saved = Saved { format: x.format() };
    convert(x, format).record("cast", [x], saved)
}

/// The format of the input.
struct Saved {
    format: Format,
}

impl Backward<1> for Saved {
    fn backward(self: Box<Self>, dy: &Tensor, _: [bool; 1]) -> [Option<Tensor>; 1] {
        [Some(if dy.format() == self.format { dy.clone() } else { convert(dy, self.format) })]
    }
}

fn convert(x: &Tensor, format: Format) -> Tensor {
    let y = converted(x.device(), x.buffer(), format);
    Tensor::new(x.device(), x.shape().clone(), y)
}

/// The elements of `x` in another format.
pub(super) fn converted(device: &Device, x: &Buffer, format: Format) -> Buffer {
    let elements = x.elements();
    let params = Params { elements: elements as u32 };
    let launch = Launch::lanes(elements.div_ceil(4), 256).words(2 * elements);
    let mut y = device.buffer_of(format, elements);
    match format {
        Format::Half => device.run(Round { params, x, y: &mut y }, launch),
        Format::Word => device.run(Widen { params, dy: x, dx: &mut y }, launch),
    }
    y
}
