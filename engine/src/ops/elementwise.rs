//! Differences, products and multiples of tensors of one shape, and the sums that build up in an arena.

use crate::device::{Buffer, Device, Launch};
use crate::kernels::elementwise::{
    Accumulate, AddScaled, Assign, Multiply, Params, Scale, Subtract,
};
use crate::tensor::{Backward, Tensor};

/// Subtracts two tensors of one shape: `y = a − b`.
///
/// # Shapes
/// `a, b: [..]` → `[..]`.
///
/// # Gradients
/// Flows to both. Keeps nothing.
///
/// # Panics
/// If the shapes differ.
#[track_caller]
pub fn subtract(a: &Tensor, b: &Tensor) -> Tensor {
    b.expect_shape("subtract: b", a.shape().axes());
    let mut y = like(a);
    let (params, launch) = plan(a, 1.0, 3);
    a.device().run(Subtract { params, a: a.buffer(), b: b.buffer(), y: &mut y }, launch);
    let saved = SavedSum { factors: [1.0, -1.0] };
    Tensor::new(a.device(), a.shape().clone(), y).record("subtract", [a, b], saved)
}

/// Adds a multiple: `y = a + factor·b`.
///
/// # Shapes
/// `a, b: [..]` → `[..]`.
///
/// # Gradients
/// Flows to both. Keeps nothing.
///
/// # Panics
/// If the shapes differ.
#[track_caller]
pub fn add_scaled(a: &Tensor, b: &Tensor, factor: f32) -> Tensor {
    b.expect_shape("add_scaled: b", a.shape().axes());
    let mut y = like(a);
    let (params, launch) = plan(a, factor, 3);
    a.device().run(AddScaled { params, a: a.buffer(), b: b.buffer(), y: &mut y }, launch);
    let saved = SavedSum { factors: [1.0, factor] };
    Tensor::new(a.device(), a.shape().clone(), y).record("add_scaled", [a, b], saved)
}

/// Multiplies every element: `y = factor·a`.
///
/// # Gradients
/// Flows to `a`. Keeps nothing.
pub fn scale(a: &Tensor, factor: f32) -> Tensor {
    let mut y = like(a);
    let (params, launch) = plan(a, factor, 2);
    a.device().run(Scale { params, a: a.buffer(), y: &mut y }, launch);
    let saved = SavedSum { factors: [factor] };
    Tensor::new(a.device(), a.shape().clone(), y).record("scale", [a], saved)
}

/// Multiplies two tensors of one shape, element by element: `y = a ⊙ b`.
///
/// # Shapes
/// `a, b: [..]` → `[..]`.
///
/// # Gradients
/// Flows to both. Keeps both.
///
/// # Panics
/// If the shapes differ.
#[track_caller]
pub fn multiply(a: &Tensor, b: &Tensor) -> Tensor {
    b.expect_shape("multiply: b", a.shape().axes());
    let y = product(a, b);
    y.record("multiply", [a, b], SavedProduct { a: a.detach(), b: b.detach() })
}

/// Adds into memory that outlives the step: `total ← total + factor·a`.
///
/// # Panics
/// If the lengths differ.
#[track_caller]
pub fn accumulate(device: &Device, a: &Buffer, total: &mut Buffer, factor: f32) {
    assert_eq!(a.words(), total.words(), "accumulate: a and total differ in length");
    let (params, launch) = plan_words(a.words(), factor, 3);
    device.run(Accumulate { params, a, total }, launch);
}

/// Overwrites memory that outlives the step: `total = factor·a`.
///
/// # Panics
/// If the lengths differ.
#[track_caller]
pub fn assign(device: &Device, a: &Buffer, total: &mut Buffer, factor: f32) {
    assert_eq!(a.words(), total.words(), "assign: a and total differ in length");
    let (params, launch) = plan_words(a.words(), factor, 2);
    device.run(Assign { params, a, total }, launch);
}

/// `y = a ⊙ b`, outside any graph.
fn product(a: &Tensor, b: &Tensor) -> Tensor {
    let mut y = like(a);
    let (params, launch) = plan(a, 1.0, 3);
    a.device().run(Multiply { params, a: a.buffer(), b: b.buffer(), y: &mut y }, launch);
    Tensor::new(a.device(), a.shape().clone(), y)
}

fn like(a: &Tensor) -> Buffer {
    a.device().buffer(a.shape().elements())
}

fn plan(a: &Tensor, factor: f32, moves: u64) -> (Params, Launch) {
    plan_words(a.shape().elements(), factor, moves)
}

/// Uniforms and launch for `elements` elements, of which `moves` tensors are moved.
fn plan_words(elements: usize, factor: f32, moves: u64) -> (Params, Launch) {
    let launch = Launch::lanes(elements.div_ceil(4), 256);
    let launch = launch.flops(elements).words(moves * elements as u64);
    (Params { elements: elements as u32, factor }, launch)
}

/// What a weighted sum of tensors needs: the weights.
struct SavedSum<const N: usize> {
    factors: [f32; N],
}

impl<const N: usize> Backward<N> for SavedSum<N> {
    fn backward(self: Box<Self>, dy: &Tensor, wants: [bool; N]) -> [Option<Tensor>; N] {
        std::array::from_fn(|parent| {
            let factor = self.factors[parent];
            wants[parent].then(|| if factor == 1.0 { dy.clone() } else { scale(dy, factor) })
        })
    }
}

struct SavedProduct {
    a: Tensor,
    b: Tensor,
}

impl Backward<2> for SavedProduct {
    fn backward(self: Box<Self>, dy: &Tensor, [to_a, to_b]: [bool; 2]) -> [Option<Tensor>; 2] {
        [to_a.then(|| product(dy, &self.b)), to_b.then(|| product(dy, &self.a))]
    }
}
