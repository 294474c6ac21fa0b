//! The sum of two tensors; also what accumulates gradients.

use crate::device::Launch;
use crate::kernels::add::{Forward, Params};
use crate::tensor::{Backward, Tensor};

/// Adds two tensors of one shape: `y = a + b`.
///
/// # Shapes
/// `a, b: [..]` → `[..]`.
///
/// # Gradients
/// Flows to both. Keeps nothing.
///
/// # Panics
/// If the shapes differ.
///
/// # Source
/// Kernel `shaders/add.wgsl`.
#[track_caller]
pub fn add(a: &Tensor, b: &Tensor) -> Tensor {
    b.expect_shape("add: b", a.shape().axes());
    let elements = a.shape().elements();
    let device = a.device();
    let params = Params { quads: elements.div_ceil(4) as u32 };
    let mut y = a.buffer_like(elements);
    let launch = Launch::lanes(elements.div_ceil(4), 256).flops(elements).words(3 * elements);
    device.run(Forward { params, a: a.buffer(), b: b.buffer(), y: &mut y }, launch);
    Tensor::new(device, a.shape().clone(), y).record("add", [a, b], Saved)
}

/// Nothing: the gradient passes as it is.
struct Saved;

impl Backward<2> for Saved {
    fn backward(self: Box<Self>, dy: &Tensor, wants: [bool; 2]) -> [Option<Tensor>; 2] {
        wants.map(|wanted| wanted.then(|| dy.clone()))
    }
}
