//! The Gaussian error linear unit, element by element; `linear_gelu` has it fused.

use crate::device::Launch;
use crate::kernels::gelu::{Backward as Slope, Forward, Params};
use crate::tensor::{Backward, Tensor};

/// Which of the two functions that go by the name of GELU; they differ by up to 4.7e-4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gelu {
    /// `x·Φ(x)` with the exact normal distribution: Hugging Face's `gelu`, BERT and ELECTRA.
    Erf,
    /// `x·(1 + tanh(√(2/π)·(x + 0.044715·x³)))/2`: `gelu_new`, `gelu_pytorch_tanh`, GPT-2.
    Tanh,
}

impl Gelu {
    /// The number by which shaders know the form (`shaders/shared/gelu.wgsl`).
    pub(crate) fn form(self) -> u32 {
        match self {
            Self::Erf => 0,
            Self::Tanh => 1,
        }
    }
}

/// Applies GELU to every element.
///
/// # Gradients
/// Flows to `x`. Keeps `x`.
///
/// # Source
/// Hendrycks & Gimpel 2016, arXiv:1606.08415, §2. Kernel `shaders/gelu.wgsl`.
pub fn gelu(x: &Tensor, form: Gelu) -> Tensor {
    let (params, launch) = plan(x, form, 2);
    let mut y = x.buffer_like(x.shape().elements());
    x.device().run(Forward { params, x: x.buffer(), y: &mut y }, launch);
    let saved = Saved { form, x: x.detach() };
    Tensor::new(x.device(), x.shape().clone(), y).record("gelu", [x], saved)
}

struct Saved {
    form: Gelu,
    x: Tensor,
}

impl Backward<1> for Saved {
    fn backward(self: Box<Self>, dy: &Tensor, _: [bool; 1]) -> [Option<Tensor>; 1] {
        [Some(gelu_backward(&self.x, dy, self.form))]
    }
}

/// `dx = dy ⊙ gelu′(x)`, for ops that fuse the forward into something else.
pub(crate) fn gelu_backward(x: &Tensor, dy: &Tensor, form: Gelu) -> Tensor {
    let device = x.device();
    let (params, launch) = plan(x, form, 3);
    let mut dx = x.buffer_like(x.shape().elements());
    device.run(Slope { params, x: x.buffer(), dy: dy.buffer(), dx: &mut dx }, launch);
    Tensor::new(device, x.shape().clone(), dx)
}

/// Uniforms and launch for tensors of `x`'s shape, of which `moves` are moved.
fn plan(x: &Tensor, form: Gelu, moves: usize) -> (Params, Launch) {
    let elements = x.shape().elements();
    let params = Params { elements: elements as u32, form: form.form() };
    let launch = Launch::lanes(elements.div_ceil(4), 256);
    (params, launch.flops(25 * elements).words(moves * elements))
}
