//! The mean of the visible tokens of each text: one of the ways to make a vector of it.

use crate::device::{Format, Launch};
use crate::kernels::mean_pool::{Backward as Spread, Forward, Params};
use crate::tensor::{Backward, Tensor};

/// Averages the first `lengths[b]` tokens of each text: `y[b] = Σₜ m·x[b, t] / max(Σₜ m, 1e-9)`.
///
/// # Shapes
/// `x: [B, T, H]`, `lengths: [B]` of u32 → `[B, H]`. A text of length 0 gives 0; lengths above T count as T. The mean is f32
/// whatever `x` is.
///
/// # Gradients
/// Flows to `x`, and is 0 where a token is not visible. Keeps `lengths`.
///
/// # Panics
/// If `x` has not three axes, or `lengths` another number of texts.
///
/// # Source
/// Reimers & Gurevych 2019, arXiv:1908.10084, §3. Kernel `shaders/mean_pool.wgsl`.
#[track_caller]
pub fn mean_pool(x: &Tensor, lengths: &Tensor) -> Tensor {
    let &[texts, tokens, channels] = x.shape().axes() else {
        panic!("mean_pool: x is {}, expected [B, T, H]", x.shape());
    };
    lengths.expect_shape("mean_pool: lengths", &[texts]);
    let device = x.device();
    let params = Params { texts: texts as u32, tokens: tokens as u32, channels: channels as u32 };
    let mut y = device.buffer(texts * channels);
    let elements = texts * tokens * channels;
    let launch = Launch::groups([channels.div_ceil(64) as u32, texts as u32, 1]);
    let kernel = Forward { params, x: x.buffer(), lengths: lengths.buffer(), y: &mut y };
    device.run(kernel, launch.flops(elements).words(elements));
    let saved = Saved { params, format: x.format(), lengths: lengths.clone() };
    Tensor::new(device, [texts, channels], y).record("mean_pool", [x], saved)
}

struct Saved {
    params: Params,
    format: Format,
    lengths: Tensor,
}

impl Backward<1> for Saved {
    fn backward(self: Box<Self>, dy: &Tensor, _: [bool; 1]) -> [Option<Tensor>; 1] {
        let Params { texts, tokens, channels } = self.params;
        let elements = texts as usize * tokens as usize * channels as usize;
        let mut dx = dy.device().buffer_of(self.format, elements);
        let launch = Launch::groups([channels.div_ceil(64), tokens, texts]);
        let kernel = Spread {
            params: self.params,
            lengths: self.lengths.buffer(),
            dy: dy.buffer(),
            dx: &mut dx,
        };
        dy.device().run(kernel, launch.flops(elements).words(elements));
        let shape = [texts as usize, tokens as usize, channels as usize];
        [Some(Tensor::new(dy.device(), shape, dx))]
    }
}
