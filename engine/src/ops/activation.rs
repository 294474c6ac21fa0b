//! The functions a layer may have between its matrices, besides [`gelu`](super::gelu()).

use crate::device::Launch;
use crate::kernels::activation::{
    Log1pReluBackward, Log1pReluForward, Params, ReluBackward, ReluForward, SiluBackward,
    SiluForward, TanhBackward, TanhForward,
};
use crate::tensor::{Backward, Tensor};

/// Cuts off what is negative: `y = max(x, 0)`.
///
/// # Gradients
/// Flows to `x`: `dx = dy` where y > 0, else 0. Keeps `y`.
pub fn relu(x: &Tensor) -> Tensor {
    let (params, launch) = plan(x, 2);
    let mut y = x.buffer_like(x.shape().elements());
    x.device().run(ReluForward { params, x: x.buffer(), y: &mut y }, launch);
    let y = Tensor::new(x.device(), x.shape().clone(), y);
    y.clone().record("relu", [x], Saved { function: Function::Relu, kept: y })
}

/// The hyperbolic tangent, accurate near 0 and finite everywhere.
///
/// # Gradients
/// Flows to `x`: `dx = dy·(1 − y²)`. Keeps `y`.
pub fn tanh(x: &Tensor) -> Tensor {
    let (params, launch) = plan(x, 2);
    let mut y = x.buffer_like(x.shape().elements());
    x.device().run(TanhForward { params, x: x.buffer(), y: &mut y }, launch);
    let y = Tensor::new(x.device(), x.shape().clone(), y);
    y.clone().record("tanh", [x], Saved { function: Function::Tanh, kept: y })
}

/// The sigmoid linear unit: `y = x·σ(x)`, also called swish.
///
/// # Gradients
/// Flows to `x`. Keeps `x`.
///
/// # Source
/// Elfwing, Uchibe & Doya 2017, arXiv:1702.03118, eq. 5.
pub fn silu(x: &Tensor) -> Tensor {
    let (params, launch) = plan(x, 2);
    let mut y = x.buffer_like(x.shape().elements());
    x.device().run(SiluForward { params, x: x.buffer(), y: &mut y }, launch);
    let y = Tensor::new(x.device(), x.shape().clone(), y);
    y.record("silu", [x], Saved { function: Function::Silu, kept: x.detach() })
}

/// Dampens what is positive and cuts off the rest: `y = ln(1 + max(x, 0))`, accurate near 0.
///
/// # Gradients
/// Flows to `x`: `dx = dy/(1 + x)` where x > 0, else 0. Keeps `x`.
///
/// # Source
/// Formal, Piwowarski & Clinchant 2021 (SPLADE), arXiv:2107.05720, eq. 1.
pub fn log1p_relu(x: &Tensor) -> Tensor {
    let (params, launch) = plan(x, 2);
    let mut y = x.buffer_like(x.shape().elements());
    x.device().run(Log1pReluForward { params, x: x.buffer(), y: &mut y }, launch);
    let y = Tensor::new(x.device(), x.shape().clone(), y);
    y.record("log1p_relu", [x], Saved { function: Function::Log1pRelu, kept: x.detach() })
}

enum Function {
    Relu,
    Tanh,
    Silu,
    Log1pRelu,
}

/// The result of relu and tanh, the argument of silu and log1p_relu.
struct Saved {
    function: Function,
    kept: Tensor,
}

impl Backward<1> for Saved {
    fn backward(self: Box<Self>, dy: &Tensor, _: [bool; 1]) -> [Option<Tensor>; 1] {
        let device = dy.device();
        let (params, launch) = plan(dy, 3);
        let mut dx = dy.buffer_like(dy.shape().elements());
        let (kept, gradient) = (self.kept.buffer(), dy.buffer());
        match self.function {
            Function::Relu => {
                device.run(ReluBackward { params, y: kept, dy: gradient, dx: &mut dx }, launch);
            }
            Function::Tanh => {
                device.run(TanhBackward { params, y: kept, dy: gradient, dx: &mut dx }, launch);
            }
            Function::Silu => {
                device.run(SiluBackward { params, x: kept, dy: gradient, dx: &mut dx }, launch);
            }
            Function::Log1pRelu => {
                let kernel = Log1pReluBackward { params, x: kept, dy: gradient, dx: &mut dx };
                device.run(kernel, launch);
            }
        }
        [Some(Tensor::new(device, self.kept.shape().clone(), dx))]
    }
}

/// Uniforms and launch for tensors of `x`'s shape, of which `moves` are moved.
fn plan(x: &Tensor, moves: usize) -> (Params, Launch) {
    let elements = x.shape().elements();
    let launch = Launch::lanes(elements.div_ceil(4), 256);
    (Params { elements: elements as u32 }, launch.flops(10 * elements).words(moves * elements))
}
