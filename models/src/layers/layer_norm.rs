//! Layer normalisation with its parameters (Ba, Kiros & Hinton 2016).

use wgrad_engine::random::Dropout;
use wgrad_engine::weights::{Declarations, Init, Param};
use wgrad_engine::{Tensor, ops};

/// `y = γ ⊙ x̂ + β`.
#[derive(Clone)]
pub struct LayerNorm {
    /// γ `[H]`, published as `weight`.
    pub weight: Param,
    /// β `[H]`.
    pub bias: Param,
    /// ε, added to the variance.
    pub epsilon: f32,
}

impl LayerNorm {
    /// Declares `name.weight`, ones, and `name.bias`, zeros.
    pub fn declare(d: &mut Declarations, name: &str, channels: usize, epsilon: f32) -> Self {
        d.under(name, |d| Self {
            weight: d.param("weight", [channels], Init::Constant(1.0)),
            bias: d.param("bias", [channels], Init::Constant(0.0)),
            epsilon,
        })
    }

    /// `LN(x)`; `x: [.., H]`.
    #[track_caller]
    pub fn forward(&self, x: &Tensor) -> Tensor {
        ops::layer_norm(x, None, None, &self.weight, &self.bias, self.epsilon)
    }

    /// `LN(residual + dropout(x))`, the end of both sub-layers; `x, residual: [.., H]`.
    #[track_caller]
    pub fn add_and_norm(&self, x: &Tensor, residual: &Tensor, dropout: Option<&Dropout>) -> Tensor {
        ops::layer_norm(x, Some(residual), dropout, &self.weight, &self.bias, self.epsilon)
    }
}
