//! An affine map with its weight stored as published: one row an output.

use wgrad_engine::Tensor;
use wgrad_engine::ops::{self, Gelu};
use wgrad_engine::weights::{Declarations, Init, Param};

/// `y = x·Wᵀ + b`.
pub struct Linear {
    /// `[O, I]`.
    pub weight: Param,
    /// `[O]`.
    pub bias: Param,
}

impl Linear {
    /// Declares `name.weight` and `name.bias`, W normal with deviation `sigma` and b zero.
    pub fn declare(
        d: &mut Declarations,
        name: &str,
        [inputs, outputs]: [usize; 2],
        sigma: f32,
    ) -> Self {
        d.under(name, |d| Self {
            weight: d.param("weight", [outputs, inputs], Init::Normal(sigma)),
            bias: d.param("bias", [outputs], Init::Constant(0.0)),
        })
    }

    /// `x: [.., I]` → `[.., O]`.
    #[track_caller]
    pub fn forward(&self, x: &Tensor) -> Tensor {
        ops::linear(x, &self.weight, Some(&self.bias))
    }

    /// `GELU(x·Wᵀ + b)` in one kernel; `x: [.., I]` → `[.., O]`.
    #[track_caller]
    pub fn forward_gelu(&self, x: &Tensor, gelu: Gelu) -> Tensor {
        ops::linear_gelu(x, &self.weight, &self.bias, gelu)
    }
}
