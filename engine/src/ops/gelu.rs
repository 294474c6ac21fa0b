//! The Gaussian error linear unit.

/// Which formula of GELU; the numbers are those of `shaders/shared/gelu.wgsl`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gelu {
    /// x·Φ(x), BERT's `gelu`.
    Erf = 0,
    /// The tanh approximation, `gelu_new` and `gelu_pytorch_tanh`.
    Tanh = 1,
}
