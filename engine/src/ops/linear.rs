//! The layers that are a product: `y = x·Wᵀ + b`, and the same under GELU.

use super::gelu::{Gelu, gelu_backward};
use super::matmul::{Transpose, product, product_as};
use super::product::{Finish, Product};
use super::{cast, column_sums};
use crate::device::{Buffer, Format};
use crate::tensor::{Backward, Tensor};

/// Maps rows linearly: `y = x·Wᵀ + b`.
///
/// # Shapes
/// `x: [.., I]`, `weight: [O, I]`, `bias: [O]` → `[.., O]`. If `x` lies as f16, so does `y`, and the f16 copy of an f32
/// weight is multiplied; sums and the bias are f32.
///
/// # Gradients
/// Flows to all three: `dx = dy·W`, `dW = dyᵀ·x`, `db = Σ dy` over rows, the last two in f32. Keeps `x` and `weight`.
///
/// # Panics
/// If the shapes do not fit.
///
/// # Source
/// Kernels `shaders/matmul.wgsl` and its variants; the bias is added on the way out.
#[track_caller]
pub fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Tensor {
    let weight = &cast(weight, x.format());
    let finish = bias.map_or(Finish::Plain, |bias| Finish::Bias(bias.buffer()));
    let (y, _) = forward("linear", x, (weight, Layout::OutIn), bias, finish);
    let saved = Saved { x: x.detach(), weight: weight.detach(), layout: Layout::OutIn };
    match bias {
        Some(bias) => y.record("linear", [x, weight, bias], saved),
        None => y.record("linear", [x, weight], saved),
    }
}

/// Maps rows linearly and applies GELU: `y = gelu(u)`, `u = x·Wᵀ + b`, in one kernel.
///
/// # Shapes
/// `x: [.., I]`, `weight: [O, I]`, `bias: [O]` → `[.., O]`.
///
/// # Gradients
/// Flows to all three, as in [`linear`] with `du = dy ⊙ gelu′(u)`. Keeps `x`, `weight` and `u`.
///
/// # Panics
/// If the shapes do not fit.
///
/// # Source
/// Kernels `shaders/matmul.wgsl` and its variants, backward also `shaders/gelu.wgsl`.
#[track_caller]
pub fn linear_gelu(x: &Tensor, weight: &Tensor, bias: &Tensor, form: Gelu) -> Tensor {
    under_gelu("linear_gelu", x, (weight, Layout::OutIn), bias, form)
}

/// As [`linear`], with the weight stored one row an input: `y = x·W + b`, the `Conv1D` of GPT-2's checkpoints.
///
/// # Shapes
/// `x: [.., I]`, `weight: [I, O]`, `bias: [O]` → `[.., O]`.
///
/// # Gradients
/// Flows to all three: `dx = dy·Wᵀ`, `dW = xᵀ·dy`, `db = Σ dy` over rows, the last two in f32. Keeps `x` and `weight`.
///
/// # Panics
/// If the shapes do not fit.
///
/// # Source
/// As [`linear`]: the same kernels, with other strides.
#[track_caller]
pub fn affine(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Tensor {
    let weight = &cast(weight, x.format());
    let finish = Finish::Bias(bias.buffer());
    let (y, _) = forward("affine", x, (weight, Layout::InOut), Some(bias), finish);
    let saved = Saved { x: x.detach(), weight: weight.detach(), layout: Layout::InOut };
    y.record("affine", [x, weight, bias], saved)
}

/// As [`linear_gelu`], with the weight of [`affine`]: `y = gelu(x·W + b)`.
///
/// # Shapes
/// `x: [.., I]`, `weight: [I, O]`, `bias: [O]` → `[.., O]`.
///
/// # Gradients
/// As [`linear_gelu`]. Keeps `x`, `weight` and what GELU is applied to.
///
/// # Panics
/// If the shapes do not fit.
///
/// # Source
/// As [`linear_gelu`].
#[track_caller]
pub fn affine_gelu(x: &Tensor, weight: &Tensor, bias: &Tensor, form: Gelu) -> Tensor {
    under_gelu("affine_gelu", x, (weight, Layout::InOut), bias, form)
}

/// How a weight lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    /// `[O, I]`.
    OutIn,
    /// `[I, O]`.
    InOut,
}

#[track_caller]
fn under_gelu(
    op: &'static str,
    x: &Tensor,
    (weight, layout): (&Tensor, Layout),
    bias: &Tensor,
    form: Gelu,
) -> Tensor {
    let weight = &cast(weight, x.format());
    let finish = Finish::Gelu(bias.buffer(), form);
    let (y, u) = forward(op, x, (weight, layout), Some(bias), finish);
    let u = u.expect("a product finished by GELU gives what it was applied to");
    let layer = Saved { x: x.detach(), weight: weight.detach(), layout };
    let u = Tensor::new(x.device(), y.shape().clone(), u);
    y.record(op, [x, weight, bias], SavedGelu { layer, u, form })
}

#[track_caller]
fn forward(
    op: &str,
    x: &Tensor,
    (weight, layout): (&Tensor, Layout),
    bias: Option<&Tensor>,
    finish: Finish<'_>,
) -> (Tensor, Option<Buffer>) {
    let (rows, inner) = x.shape().rows_and_last();
    let (first, last) = weight.shape().rows_and_last();
    let (columns, expected, b) = match layout {
        Layout::OutIn => (first, [first, inner], [1, inner, 0]),
        Layout::InOut => (last, [inner, last], [last, 1, 0]),
    };
    weight.expect_shape(&format!("{op}: weight"), &expected);
    if let Some(bias) = bias {
        bias.expect_shape(&format!("{op}: bias"), &[columns]);
    }
    let product = Product { rows, columns, inner, batches: 1, a: [inner, 1, 0], b };
    let (y, u) = product.run(x.device(), x.buffer(), weight.buffer(), finish);
    let mut axes = x.shape().axes().to_vec();
    axes[x.shape().axes().len() - 1] = columns;
    (Tensor::new(x.device(), axes, y), u)
}

/// What the products of backward read.
struct Saved {
    x: Tensor,
    weight: Tensor,
    layout: Layout,
}

impl Saved {
    /// dx, dW and db, given dy.
    fn gradients(&self, dy: &Tensor, [to_x, to_weight, to_bias]: [bool; 3]) -> [Option<Tensor>; 3] {
        let (rows, inner) = self.x.shape().rows_and_last();
        let columns = self.weight.shape().elements() / inner;
        let dy = dy.reshape([rows, columns]);
        let x = self.x.reshape([rows, inner]);
        let dx = |transpose| product(&dy, &self.weight, transpose);
        let dx = || match self.layout {
            Layout::OutIn => dx(Transpose::Neither),
            Layout::InOut => dx(Transpose::Right),
        };
        let dweight = || match self.layout {
            Layout::OutIn => product_as(Format::Word, &dy, &x, Transpose::Left),
            Layout::InOut => product_as(Format::Word, &x, &dy, Transpose::Left),
        };
        [
            to_x.then(|| dx().reshape(self.x.shape().clone())),
            to_weight.then(dweight),
            to_bias.then(|| column_sums(&dy)),
        ]
    }
}

impl Backward<2> for Saved {
    fn backward(self: Box<Self>, dy: &Tensor, [to_x, to_weight]: [bool; 2]) -> [Option<Tensor>; 2] {
        let [dx, dweight, _] = self.gradients(dy, [to_x, to_weight, false]);
        [dx, dweight]
    }
}

impl Backward<3> for Saved {
    fn backward(self: Box<Self>, dy: &Tensor, wants: [bool; 3]) -> [Option<Tensor>; 3] {
        self.gradients(dy, wants)
    }
}

/// As [`Saved`], and the argument of GELU.
struct SavedGelu {
    layer: Saved,
    u: Tensor,
    form: Gelu,
}

impl Backward<3> for SavedGelu {
    fn backward(self: Box<Self>, dy: &Tensor, wants: [bool; 3]) -> [Option<Tensor>; 3] {
        let Self { layer, u, form } = *self;
        layer.gradients(&gelu_backward(&u, dy, form), wants)
    }
}
