//! A draw from a large vocabulary, without the logits of all rows ever lying in memory.

use super::fused_loss::{CHUNK_BYTES, rows_per_chunk};
use super::product::{Finish, Product};
use crate::device::Launch;
use crate::kernels::linear_sample::{Forward, Params};
use crate::random::Sampling;
use crate::tensor::Tensor;

/// Draws one class a row from softmax((`hidden · weightᵀ + bias`) / τ), by Gumbel's arg-max.
///
/// A row draws the same whichever chunk it lies in, on every device, unless its best two are within rounding: the draw
/// is a function of key, site, global row and class. Logits exist for a chunk of rows at a time, at most 64 MiB of them, or 64
/// rows if these are more.
///
/// # Shapes
/// `hidden: [R, H]`, `weight: [V, H]`, `bias: [V]` → u32 `[R]`, each below V.
///
/// # Gradients
/// None: a draw has no slope.
///
/// # Panics
/// If a shape does not fit, V is 0, or the temperature is not positive.
///
/// # Source
/// Kernels `shaders/linear_sample.wgsl` and `matmul.wgsl`; Maddison et al. 2014, arXiv:1411.0030, §2; ELECTRA's generator
/// (Clark et al. 2020, arXiv:2003.10555, §3.1).
#[track_caller]
pub fn linear_sample(
    hidden: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    sampling: &Sampling,
) -> Tensor {
    in_chunks(hidden, weight, bias, sampling, CHUNK_BYTES)
}

#[track_caller]
fn in_chunks(
    hidden: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    sampling: &Sampling,
    chunk_bytes: u64,
) -> Tensor {
    let [vocabulary, width] = weight.expect_matrix("linear_sample: weight");
    let [rows, _] = hidden.expect_matrix("linear_sample: hidden");
    hidden.expect_shape("linear_sample: hidden", &[rows, width]);
    if let Some(bias) = bias {
        bias.expect_shape("linear_sample: bias", &[vocabulary]);
    }
    let Sampling { temperature, key, site, first_row } = sampling;
    key.expect_shape("linear_sample: key", &[2]);
    assert!(vocabulary > 0, "linear_sample: weight is {}, expected a class", weight.shape());
    assert!(*temperature > 0.0, "linear_sample: temperature is {temperature}, expected above 0");
    let device = hidden.device();
    let classes = device.buffer(rows);
    let step = rows_per_chunk(device, rows, vocabulary, chunk_bytes);
    for first in (0..rows).step_by(step.max(1)) {
        let count = step.min(rows - first);
        let part = hidden.buffer().view(first * width, count * width);
        let product = Product::new([count, vocabulary, width], [width, 1], [1, width]);
        let finish = bias.map_or(Finish::Plain, |bias| Finish::Bias(bias.buffer()));
        let (logits, _) = product.run(device, &part, weight.buffer(), finish);
        let params = Params {
            rows: count as u32,
            vocabulary: vocabulary as u32,
            site: *site,
            first_row: first_row + first as u32,
            inverse_temperature: 1.0 / temperature,
        };
        let mut classes = classes.view(first, count);
        let kernel = Forward { params, key: key.buffer(), logits: &logits, classes: &mut classes };
        // Ten rounds of philox are about a hundred integer operations a quad.
        let elements = count * vocabulary;
        device.run(kernel, Launch::rows(count).flops(25 * elements).words(elements));
    }
    Tensor::new(device, [rows], classes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{devices, normal};

    /// 150 rows in chunks of 64, 64 and 22 draw what one chunk draws, and so do the last 50 on their own.
    #[test]
    fn chunks_draw_what_the_whole_draws() {
        let (rows, width, vocabulary) = (150, 12, 70);
        let (h, w) = (normal(rows * width, 1), normal(vocabulary * width, 2));
        for device in devices() {
            let hidden = Tensor::f32(&device, [rows, width], &h);
            let weight = Tensor::f32(&device, [vocabulary, width], &w);
            let bias = Tensor::f32(&device, [vocabulary], &normal(vocabulary, 3));
            let key = Tensor::u32(&device, [2], &[7, 8]);
            let sampling = Sampling { temperature: 1.0, key, site: 3, first_row: 1000 };
            let draw = |hidden: &Tensor, sampling: &Sampling, chunk_bytes| {
                in_chunks(hidden, &weight, Some(&bias), sampling, chunk_bytes).to_u32()
            };
            let whole = draw(&hidden, &sampling, CHUNK_BYTES);
            assert_eq!(draw(&hidden, &sampling, 1), whole, "{device:?}");
            let last = Tensor::f32(&device, [50, width], &h[100 * width..]);
            let sampling = Sampling { first_row: 1100, ..sampling };
            assert_eq!(draw(&last, &sampling, CHUNK_BYTES), whole[100..], "{device:?}");
        }
    }
}
