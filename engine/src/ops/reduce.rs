//! Sums and means of all elements.

use crate::device::{Buffer, Launch};
use crate::kernels::reduce::{Backward as Broadcast, Params, PartialSums, Total};
use crate::shape::Shape;
use crate::tensor::{Backward, Tensor};

/// Elements of one partial sum, as in `shaders/reduce.wgsl`.
const CHUNK: usize = 16_384;

/// Sums all elements, in an order that depends on their number alone.
///
/// # Shapes
/// `x: [..]` → `[]`.
///
/// # Gradients
/// Flows to `x`. Keeps nothing.
pub fn sum(x: &Tensor) -> Tensor {
    reduce("sum", x, 1.0)
}

/// The mean of all elements.
///
/// # Shapes
/// `x: [..]` → `[]`.
///
/// # Gradients
/// Flows to `x`. Keeps nothing.
///
/// # Panics
/// If `x` has no elements.
#[track_caller]
pub fn mean(x: &Tensor) -> Tensor {
    let elements = x.shape().elements();
    assert!(elements > 0, "mean: {} has no elements", x.shape());
    reduce("mean", x, 1.0 / elements as f32)
}

fn reduce(op: &'static str, x: &Tensor, factor: f32) -> Tensor {
    let device = x.device();
    let elements = x.shape().elements();
    let chunks = elements.div_ceil(CHUNK);
    let params = Params { elements: elements as u32, partials: chunks as u32, factor };
    let mut partials: Buffer = device.buffer(chunks);
    let launch = Launch::rows(chunks).flops(elements).words(elements);
    device.run(PartialSums { params, x: x.buffer(), partials: &mut partials }, launch);

    let mut y = device.buffer(1);
    let launch = Launch::rows(1).flops(chunks).words(chunks);
    device.run(Total { params, partials: &partials, y: &mut y }, launch);
    let saved = Saved { params, shape: x.shape().clone() };
    Tensor::new(device, [], y).record(op, [x], saved)
}

struct Saved {
    params: Params,
    shape: Shape,
}

impl Backward<1> for Saved {
    fn backward(self: Box<Self>, dy: &Tensor, _: [bool; 1]) -> [Option<Tensor>; 1] {
        let elements = self.shape.elements();
        let mut dx = dy.device().buffer(elements);
        let launch = Launch::lanes(elements.div_ceil(4), 256).words(elements);
        let kernel = Broadcast { params: self.params, dy: dy.buffer(), dx: &mut dx };
        dy.device().run(kernel, launch);
        [Some(Tensor::new(dy.device(), self.shape, dx))]
    }
}
