//! The variant by fragments, on the adapters that multiply them: llvmpipe does from Mesa 26 on, and most GPUs.

use wgrad_engine::Tensor;
use wgrad_engine::device::{Buffer, Device, Format, Launch};
use wgrad_engine::kernels::matmul_cooperative as kernels;
use wgrad_engine::ops::{self, Gelu};
use wgrad_engine::reference::matmul as twin;
use wgrad_engine::testing::{assert_close, devices, normal, wide};

use super::{TRANSPOSES, params, tolerance};

/// (M, N, K) in multiples of 4: less than a fragment, ragged tiles of 64 and of 128, whole ones, a long sum.
const SIZES: [(usize, usize, usize); 5] =
    [(4, 8, 12), (68, 132, 52), (132, 72, 96), (128, 128, 64), (36, 60, 700)];

/// Rounding of a result to f16, relative to the largest.
const HALF: f64 = 1.0 / 2048.0;

/// Every entry point in both formats, for each way that operands lie, batches, and shares of K.
#[test]
fn fragments_match_twin() {
    let mut seen = 0;
    for device in devices() {
        for format in [Format::Word, Format::Half] {
            let Some(fragments) = device.listed_fragments(format) else { continue };
            seen += 1;
            for size in SIZES {
                for transpose in TRANSPOSES {
                    for (batches, splits) in [(1, 1), (2, 3)] {
                        let params = params(batches, size, transpose, splits);
                        let context = format!(
                            "{device:?} {format:?} {fragments:?} {size:?} {transpose:?} {splits}"
                        );
                        check(&device, format, 8 * fragments.side, params, &context);
                    }
                }
            }
        }
    }
    if seen == 0 {
        eprintln!("skipped: no adapter multiplies fragments");
    }
}

fn check(device: &Device, format: Format, tile: u32, params: kernels::Params, context: &str) {
    let words = |extents: [u32; 3]| extents.iter().product::<u32>() as usize;
    let [m, n, k] = [params.rows, params.columns, params.inner];
    let outputs = words([params.batches * params.splits, m, n]);
    // What lies as f16 is rounded first, and the twin is given what was rounded.
    let operand = |extents, seed| {
        let values = normal(words(extents), seed);
        let stored = ops::cast(&Tensor::f32(device, [values.len()], &values), format);
        let known = wide(&stored.to_f32());
        (stored, known)
    };
    let ((a, a_known), (b, b_known)) =
        (operand([params.batches, m, k], 1), operand([params.batches, k, n], 2));
    let bias_values = normal(n as usize, 3);
    let bias = &device.upload_f32(&bias_values);
    let launch =
        Launch::groups([n.div_ceil(tile), m.div_ceil(tile), params.batches * params.splits]);
    let (a, b) = (a.buffer(), b.buffer());
    let within = tolerance(k as usize);
    let stored = if format == Format::Half { within + HALF } else { within };
    let read = |buffer: &Buffer| device.read_f32(buffer);

    let mut expected = vec![0.0; outputs];
    twin::forward(&params, (&a_known, &b_known), &mut expected);
    let mut sums = device.buffer(outputs);
    device.run(kernels::ForwardWide { params, a, b, wide: &mut sums }, launch);
    assert_close(&read(&sums), &expected, within, &format!("{context} wide"));
    let mut c = device.buffer_of(format, outputs);
    device.run(kernels::Forward { params, a, b, c: &mut c }, launch);
    assert_close(&read(&c), &expected, stored, context);

    let bias_known = &wide(&bias_values);
    twin::forward_bias(&params, (&a_known, &b_known, bias_known), &mut expected);
    device.run(kernels::ForwardBias { params, a, b, bias, c: &mut c }, launch);
    assert_close(&read(&c), &expected, stored, &format!("{context} bias"));

    let params = kernels::Params { gelu_form: 1, ..params };
    let (mut activated, mut before) = (vec![0.0; outputs], vec![0.0; outputs]);
    let operands = (&a_known[..], &b_known[..], &bias_known[..]);
    twin::forward_gelu(&params, operands, (&mut activated, &mut before));
    let mut u = device.buffer_of(format, outputs);
    device.run(kernels::ForwardGelu { params, a, b, bias, c: &mut c, u: &mut u }, launch);
    assert_close(&read(&u), &before, stored, &format!("{context} u"));
    assert_close(&read(&c), &activated, stored, &format!("{context} gelu"));
}

/// A layer large enough for every variant, by whichever of them the device chooses.
#[test]
fn a_wide_layer_matches_its_twin() {
    let (rows, width, out) = (512, 64, 1024);
    for device in devices() {
        let tensor = |shape: &[usize], seed| {
            let values = normal(shape.iter().product(), seed);
            Tensor::f32(&device, shape, &values)
        };
        let (x, w) = (tensor(&[rows, width], 1), tensor(&[out, width], 2));
        let bias = tensor(&[out], 3);
        let y = ops::linear_gelu(&x, &w, &bias, Gelu::Tanh).to_f32();
        let params = kernels::Params {
            gelu_form: 1,
            ..params(1, (rows, out, width), ops::Transpose::Right, 1)
        };
        let (mut c, mut u) = (vec![0.0; rows * out], vec![0.0; rows * out]);
        let [x, w, bias] = [x, w, bias].map(|tensor| wide(&tensor.to_f32()));
        twin::forward_gelu(&params, (&x, &w, &bias), (&mut c, &mut u));
        assert_close(&y, &c, 1e-5, &format!("{device:?}"));
    }
}
