//! The largest of the visible tokens of each text, channel by channel: one of the ways to make a vector of it.

use crate::device::{Buffer, Format, Launch};
use crate::kernels::max_pool::{Backward as Scatter, Forward, Params};
use crate::tensor::{Backward, Tensor};

/// Takes the maximum over the first `lengths[b]` tokens of each text: `y[b] = max_t x[b, t]`.
///
/// # Shapes
/// `x: [B, T, H]`, `lengths: [B]` of u32 → `[B, H]`. A text of length 0 gives 0; lengths above T count as T. The maximum is
/// f32 whatever `x` is.
///
/// # Gradients
/// Flows to `x` where the maximum was, at the lowest of equal tokens. Keeps the positions.
///
/// # Panics
/// If `x` has not three axes or no tokens, or `lengths` another number of texts.
///
/// # Source
/// Reimers & Gurevych 2019, arXiv:1908.10084, §3. Kernel `shaders/max_pool.wgsl`.
#[track_caller]
pub fn max_pool(x: &Tensor, lengths: &Tensor) -> Tensor {
    let &[texts, tokens, channels] = x.shape().axes() else {
        panic!("max_pool: x is {}, expected [B, T, H]", x.shape());
    };
    assert!(tokens > 0, "max_pool: x is {}, expected a token at least", x.shape());
    lengths.expect_shape("max_pool: lengths", &[texts]);
    let device = x.device();
    let params = Params { texts: texts as u32, tokens: tokens as u32, channels: channels as u32 };
    let [mut y, mut positions] = [0; 2].map(|_| device.buffer(texts * channels));
    let elements = texts * tokens * channels;
    let launch = Launch::groups([channels.div_ceil(64) as u32, texts as u32, 1]);
    let (x_buffer, lengths) = (x.buffer(), lengths.buffer());
    let kernel = Forward { params, x: x_buffer, lengths, y: &mut y, positions: &mut positions };
    device.run(kernel, launch.flops(elements).words(elements));
    let saved = Saved { params, format: x.format(), positions };
    Tensor::new(device, [texts, channels], y).record("max_pool", [x], saved)
}

struct Saved {
    params: Params,
    format: Format,
    positions: Buffer,
}

impl Backward<1> for Saved {
    fn backward(self: Box<Self>, dy: &Tensor, _: [bool; 1]) -> [Option<Tensor>; 1] {
        let Self { params, format, positions } = *self;
        let shape = [params.texts, params.tokens, params.channels].map(|extent| extent as usize);
        let elements = shape.iter().product();
        let mut dx = dy.device().buffer_of(format, elements);
        let launch = Launch::groups([params.channels.div_ceil(64), params.tokens, params.texts]);
        let kernel = Scatter { params, positions: &positions, dy: dy.buffer(), dx: &mut dx };
        dy.device().run(kernel, launch.words(elements));
        [Some(Tensor::new(dy.device(), shape, dx))]
    }
}
