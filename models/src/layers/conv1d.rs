//! An affine map with its weight stored as GPT-2 publishes it: one row an input.

use wgrad_engine::Tensor;
use wgrad_engine::ops::{self, Gelu};
use wgrad_engine::weights::{Declarations, Init, Param};

use crate::bert::Activation;

/// `y = x·W + b`, named `Conv1D` in GPT-2's code: a convolution of width 1.
pub struct Conv1d {
    /// `[I, O]`.
    pub weight: Param,
    /// `[O]`.
    pub bias: Param,
}

impl Conv1d {
    /// Declares `name.weight` and `name.bias`, W normal with deviation `sigma` and b zero.
    pub fn declare(d: &mut Declarations, name: &str, sizes: [usize; 2], sigma: f32) -> Self {
        d.under(name, |d| Self {
            weight: d.param("weight", sizes, Init::Normal(sigma)),
            bias: d.param("bias", [sizes[1]], Init::Constant(0.0)),
        })
    }

    /// `x: [.., I]` → `[.., O]`.
    #[track_caller]
    pub fn forward(&self, x: &Tensor) -> Tensor {
        ops::affine(x, &self.weight, &self.bias)
    }

    /// `f(x·W + b)`; the GELUs share the product's kernel. `x: [.., I]` → `[.., O]`.
    #[track_caller]
    pub fn forward_under(&self, x: &Tensor, activation: Activation) -> Tensor {
        match activation {
            Activation::Gelu => ops::affine_gelu(x, &self.weight, &self.bias, Gelu::Erf),
            Activation::GeluNew => ops::affine_gelu(x, &self.weight, &self.bias, Gelu::Tanh),
            Activation::Relu => ops::relu(&self.forward(x)),
            Activation::Silu => ops::silu(&self.forward(x)),
        }
    }

    /// The map as three, one after the other in its outputs, each applied to `x`: `[.., I]` → three of `[.., O/3]`.
    ///
    /// Taking the weight apart moves far less than taking the result apart.
    #[track_caller]
    pub fn forward_thirds(&self, x: &Tensor) -> [Tensor; 3] {
        let third = self.bias.shape().elements() / 3;
        let weights = ops::split(&self.weight, 1, &[third; 3]);
        let biases = ops::split(&self.bias, 0, &[third; 3]);
        [0, 1, 2].map(|at| ops::affine(x, &weights[at], &biases[at]))
    }
}
