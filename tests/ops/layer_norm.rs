//! layer_norm: the twin's backward against differences, every device against the twin, and its edges.

use wgrad_engine::device::Launch;
use wgrad_engine::kernels::{layer_norm, layer_norm_rows, layer_norm_vec4};
use wgrad_engine::params::layer_norm::Params;
use wgrad_engine::random::{Dropout, dropout_threshold};
use wgrad_engine::reference::layer_norm as twin;
use wgrad_engine::testing::{
    assert_close, central_difference, devices, dot, normal, normal64, wide,
};
use wgrad_engine::{Device, Tensor, ops};

/// (rows, channels): one element, odd, around 64 lanes, around quads, a strip and a half, BERT's width.
const SHAPES: [(usize, usize); 9] =
    [(1, 1), (3, 5), (2, 63), (5, 65), (4, 4), (1, 260), (33, 12), (24, 128), (7, 768)];
const KEY: [u32; 2] = [11, 12];
const EPSILON: f32 = 1e-12;

/// What is added before normalising.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Before {
    Nothing,
    Residual,
    Dropout,
    Both,
}

const ALL: [Before; 4] = [Before::Nothing, Before::Residual, Before::Dropout, Before::Both];

impl Before {
    fn residual(self) -> bool {
        matches!(self, Self::Residual | Self::Both)
    }

    fn dropout(self) -> bool {
        matches!(self, Self::Dropout | Self::Both)
    }
}

fn params((rows, channels): (usize, usize), before: Before) -> Params {
    let probability = if before.dropout() { 0.25 } else { 0.0 };
    Params {
        rows: rows as u32,
        channels: channels as u32,
        epsilon: EPSILON,
        has_residual: before.residual().into(),
        site: 3,
        first_row: 5,
        threshold: dropout_threshold(probability),
        keep_scale: 1.0 / (1.0 - probability),
        strip_rows: 16,
        strips: rows.div_ceil(16) as u32,
    }
}

/// x, residual, gamma, beta, dy.
struct Inputs<T>([Vec<T>; 5]);

fn inputs(rows: usize, channels: usize) -> Inputs<f32> {
    let n = rows * channels;
    Inputs([normal(n, 1), normal(n, 2), normal(channels, 3), normal(channels, 4), normal(n, 5)])
}

/// y, and the gradients of x, residual, gamma, beta.
struct Outputs {
    y: Vec<f64>,
    gradients: [Vec<f64>; 4],
}

fn judge(params: &Params, Inputs([x, residual, gamma, beta, dy]): &Inputs<f64>) -> Outputs {
    let (n, channels) = (x.len(), gamma.len());
    let zeros = |n: usize| vec![0.0; n];
    let (mut h, mut y, mut moments) = (zeros(n), zeros(n), zeros(2 * params.rows as usize));
    let reads = (&x[..], &residual[..], &KEY[..], &gamma[..], &beta[..]);
    twin::forward_residual(params, reads, (&mut h, &mut y, &mut moments));
    let (mut dh, mut dx) = (zeros(n), zeros(n));
    let reads = (&KEY[..], &gamma[..], &h[..], &moments[..], &dy[..]);
    twin::backward_dropout(params, reads, (&mut dh, &mut dx));
    let strips = params.strips as usize * channels;
    let (mut partial_dgamma, mut partial_dbeta) = (zeros(strips), zeros(strips));
    let partials = (&mut partial_dgamma[..], &mut partial_dbeta[..]);
    twin::backward_params(params, (&h[..], &moments[..], &dy[..]), partials);
    let (mut dgamma, mut dbeta) = (zeros(channels), zeros(channels));
    twin::sum_params(params, (&partial_dgamma, &partial_dbeta), (&mut dgamma, &mut dbeta));
    Outputs { y, gradients: [dx, dh, dgamma, dbeta] }
}

#[test]
fn backward_matches_finite_differences() {
    for (rows, channels) in [(3, 5), (2, 8), (18, 3), (1, 70)] {
        for before in [Before::Both, Before::Residual] {
            let params = params((rows, channels), before);
            let Inputs(values) = inputs(rows, channels);
            let inputs = Inputs(values.map(|values| wide(&values)));
            let analytic = judge(&params, &inputs).gradients;
            for (at, analytic) in analytic.iter().enumerate() {
                let loss = |point: &[f64]| {
                    let mut inputs = Inputs(inputs.0.clone());
                    inputs.0[at] = point.to_vec();
                    dot(&judge(&params, &inputs).y, &inputs.0[4])
                };
                let numeric = central_difference(loss, &inputs.0[at]);
                // Two channels a row and less make x̂ a sign; these shapes have more.
                let context = format!("{rows}×{channels} {before:?}, input {at}");
                assert_close(analytic, &numeric, 1e-7, &context);
            }
        }
    }
}

/// The plain entry points are the fused ones without anything before.
#[test]
fn plain_twin_equals_fused_twin() {
    let params = params((4, 6), Before::Nothing);
    let (x, gamma, beta) = (normal64(24, 1), normal64(6, 2), normal64(6, 3));
    let (mut y, mut moments) = (vec![0.0; 24], vec![0.0; 8]);
    twin::forward(&params, (&x, &gamma, &beta), (&mut y, &mut moments));
    let inputs = Inputs([x.clone(), vec![0.0; 24], gamma.clone(), beta, normal64(24, 4)]);
    let fused = judge(&params, &inputs);
    assert_eq!(y, fused.y);
    let mut dh = vec![0.0; 24];
    twin::backward(&params, (&gamma, &x, &moments, &inputs.0[4]), &mut dh);
    assert_eq!(dh, fused.gradients[1]);
}

/// y and the gradients that the graph returns, in the order of [`Outputs`]; absent ones are empty.
fn on_device(device: &Device, shape: (usize, usize), before: Before) -> [Vec<f32>; 5] {
    let (rows, channels) = shape;
    let Inputs([x, residual, gamma, beta, dy]) = inputs(rows, channels);
    let rows_of = |values: &[f32]| Tensor::f32(device, [rows, channels], values);
    let (x, residual) = (rows_of(&x).tracked(), rows_of(&residual).tracked());
    let vector = |values: &[f32]| Tensor::f32(device, [channels], values).tracked();
    let (gamma, beta) = (vector(&gamma), vector(&beta));
    let key = Tensor::u32(device, [2], &KEY);
    let dropout = Dropout { probability: 0.25, key, site: 3, first_row: 5 };
    let y = ops::layer_norm(
        &x,
        before.residual().then_some(&residual),
        before.dropout().then_some(&dropout),
        &gamma,
        &beta,
        EPSILON,
    );
    let gradients = y.backward_with(&rows_of(&dy));
    let gradient = |leaf| gradients.get(leaf).map_or(Vec::new(), Tensor::to_f32);
    [y.to_f32(), gradient(&x), gradient(&residual), gradient(&gamma), gradient(&beta)]
}

#[test]
fn devices_match_twin() {
    for device in devices() {
        for shape in SHAPES {
            for before in ALL {
                let Inputs(values) = inputs(shape.0, shape.1);
                let expected = judge(&params(shape, before), &Inputs(values.map(|v| wide(&v))));
                let [y, actual @ ..] = on_device(&device, shape, before);
                let context = |what| format!("{device:?} {shape:?} {before:?}: {what}");
                // A row of one or four nearly equal channels amplifies rounding by |h|/σ.
                let tolerance = if shape.1 < 8 { 2e-5 } else { 3e-6 };
                assert_close(&y, &expected.y, tolerance, &context("y"));
                let names = ["dx", "dresidual", "dgamma", "dbeta"];
                for (at, (actual, expected)) in actual.iter().zip(&expected.gradients).enumerate() {
                    if names[at] == "dresidual" && !before.residual() {
                        assert!(actual.is_empty(), "{}", context("no gradient"));
                    } else if shape.1 > 1 || names[at].len() > 2 {
                        assert_close(actual, expected, tolerance, &context(names[at]));
                    }
                }
            }
        }
    }
}

/// y, dx, dh, dγ, dβ of one shader run by hand: the op takes only the one that suits the device.
macro_rules! run_shader {
    ($shader:ident, $device:expr, $shape:expr, $rows_a_group:expr, $columns_a_lane:expr) => {{
        let (device, (rows, channels)) = ($device, $shape);
        let params = params((rows, channels), Before::Both);
        let Inputs(values) = inputs(rows, channels);
        let [x, residual, gamma, beta, dy] = values.map(|values| device.upload_f32(&values));
        let key = device.upload_u32(&KEY);
        let n = rows * channels;
        let (mut h, mut y, mut moments) =
            (device.buffer(n), device.buffer(n), device.buffer(2 * rows));
        let by_row = Launch::rows(rows.div_ceil($rows_a_group));
        device.run(
            $shader::ForwardResidual {
                params,
                x: &x,
                residual: &residual,
                key: &key,
                gamma: &gamma,
                beta: &beta,
                h: &mut h,
                y: &mut y,
                moments: &mut moments,
            },
            by_row,
        );
        let (mut dh, mut dx) = (device.buffer(n), device.buffer(n));
        device.run(
            $shader::BackwardDropout {
                params,
                key: &key,
                gamma: &gamma,
                h: &h,
                moments: &moments,
                dy: &dy,
                dh: &mut dh,
                dx: &mut dx,
            },
            by_row,
        );
        let groups = (channels / $columns_a_lane).div_ceil(64) as u32;
        let partials = params.strips as usize * channels;
        let (mut partial_dgamma, mut partial_dbeta) =
            (device.buffer(partials), device.buffer(partials));
        device.run(
            $shader::BackwardParams {
                params,
                h: &h,
                moments: &moments,
                dy: &dy,
                partial_dgamma: &mut partial_dgamma,
                partial_dbeta: &mut partial_dbeta,
            },
            Launch::groups([groups, params.strips, 1]),
        );
        let (mut dgamma, mut dbeta) = (device.buffer(channels), device.buffer(channels));
        device.run(
            $shader::SumParams {
                params,
                partial_dgamma: &partial_dgamma,
                partial_dbeta: &partial_dbeta,
                dgamma: &mut dgamma,
                dbeta: &mut dbeta,
            },
            Launch::groups([groups, 1, 1]),
        );
        // The plain entry points on h have to give the same y and dh.
        let (mut plain_y, mut plain_dh) = (device.buffer(n), device.buffer(n));
        device.run(
            $shader::Forward {
                params,
                x: &h,
                gamma: &gamma,
                beta: &beta,
                y: &mut plain_y,
                moments: &mut moments,
            },
            by_row,
        );
        device.run(
            $shader::Backward {
                params,
                gamma: &gamma,
                h: &h,
                moments: &moments,
                dy: &dy,
                dh: &mut plain_dh,
            },
            by_row,
        );
        [y, dx, dh, dgamma, dbeta, plain_y, plain_dh].map(|buffer| device.read_f32(&buffer))
    }};
}

/// Whether four lanes can read for others, or the twin runs.
fn runs_rows(device: &Device) -> bool {
    device.is_cpu() || device.limits().subgroup.is_some_and(|lanes| lanes >= 4)
}

/// Every shader on every device, also those that the op would not take there.
#[test]
fn every_variant_matches_twin() {
    for device in devices() {
        for shape in [(1, 8), (5, 260), (70, 12), (33, 768)] {
            let Inputs(values) = inputs(shape.0, shape.1);
            let judged = judge(&params(shape, Before::Both), &Inputs(values.map(|v| wide(&v))));
            let [dx, dh, dgamma, dbeta] = &judged.gradients;
            let y = &judged.y;
            let mut variants = vec![
                ("scalar", run_shader!(layer_norm, &device, shape, 4, 1)),
                ("vec4", run_shader!(layer_norm_vec4, &device, shape, 4, 4)),
            ];
            if runs_rows(&device) {
                variants.push(("rows", run_shader!(layer_norm_rows, &device, shape, 32, 4)));
            }
            for (variant, actual) in variants {
                let expected = [y, dx, dh, dgamma, dbeta, y, dh];
                for (at, (actual, expected)) in actual.iter().zip(expected).enumerate() {
                    let context = format!("{device:?} {shape:?} {variant}, output {at}");
                    assert_close(actual, expected, 3e-6, &context);
                }
            }
        }
    }
}

/// A constant row has variance 0: x̂ = 0 and y = β exactly, and nothing is NaN behind ε = 1e-12.
#[test]
fn constant_rows_give_beta() {
    for device in devices() {
        for channels in [5, 8] {
            let beta = normal(channels, 1);
            let x = Tensor::f32(&device, [2, channels], &vec![2.0; 2 * channels]).tracked();
            let gamma = Tensor::f32(&device, [channels], &normal(channels, 2));
            let shift = Tensor::f32(&device, [channels], &beta);
            let y = ops::layer_norm(&x, None, None, &gamma, &shift, EPSILON);
            assert_eq!(y.to_f32(), [&beta[..], &beta[..]].concat(), "{device:?}");
            let dy = Tensor::f32(&device, [2, channels], &normal(2 * channels, 3));
            let gradients = y.backward_with(&dy);
            let dx = gradients.get(&x).expect("x is tracked").to_f32();
            assert!(dx.iter().all(|dx| dx.is_finite()), "{device:?}: {dx:?}");
        }
    }
}

/// A mean far from 0 does not cancel the variance: a row at 1000 ± 1 is normalised as well as f32 allows.
#[test]
fn large_means_do_not_cancel() {
    for device in devices() {
        let x: Vec<f32> = normal(256, 1).iter().map(|x| 1000.0 + x).collect();
        let (gamma, beta) = (vec![1.0; 256], vec![0.0; 256]);
        let params = params((1, 256), Before::Nothing);
        let (mut expected, mut moments) = (vec![0.0; 256], vec![0.0; 2]);
        let reads = (&wide(&x)[..], &wide(&gamma)[..], &wide(&beta)[..]);
        twin::forward(&params, reads, (&mut expected, &mut moments));
        let vector = |values: &[f32]| Tensor::f32(&device, [256], values);
        let y = ops::layer_norm(
            &Tensor::f32(&device, [1, 256], &x),
            None,
            None,
            &vector(&gamma),
            &vector(&beta),
            EPSILON,
        );
        // The mean itself is rounded at 1000·2⁻²⁴ = 6e-5.
        assert_close(&y.to_f32(), &expected, 1e-4, &format!("{device:?}"));
    }
}

/// One read of a row gives the moments of two: far from 0, behind an outlier, with a last step of one to four quads.
#[test]
fn moments_of_one_read_are_exact() {
    for device in devices().iter().filter(|device| runs_rows(device)) {
        for channels in [4, 12, 16, 20, 256, 780] {
            let far = normal(channels, 1).into_iter().map(|x| 1000.0 + x);
            let mut behind = normal(channels, 2);
            behind[0] = 1e4;
            let x: Vec<f32> = far.chain(behind).chain(normal(channels, 3)).collect();
            let params = params((3, channels), Before::Nothing);
            let ones = vec![1.0; channels];
            let (mut y, mut expected) = (vec![0.0; x.len()], vec![0.0; 6]);
            let reads = (&wide(&x)[..], &wide(&ones)[..], &wide(&ones)[..]);
            twin::forward(&params, reads, (&mut y, &mut expected));
            let [x, ones] = [x, ones].map(|values| device.upload_f32(&values));
            let (mut y, mut moments) = (device.buffer(x.elements()), device.buffer(6));
            let forward = layer_norm_rows::Forward {
                params,
                x: &x,
                gamma: &ones,
                beta: &ones,
                y: &mut y,
                moments: &mut moments,
            };
            device.run(forward, Launch::rows(1));
            for (at, (actual, expected)) in
                device.read_f32(&moments).iter().zip(&expected).enumerate()
            {
                let context = format!("{device:?} {channels}, moment {at}");
                assert_close(&[*actual], &[*expected], 3e-6, &context);
            }
        }
    }
}

#[test]
fn two_runs_give_the_same_bits() {
    let run = |device: &Device| {
        let outputs = on_device(device, (70, 260), Before::Both);
        outputs.concat().iter().map(|value| value.to_bits()).collect::<Vec<u32>>()
    };
    for device in devices() {
        assert_eq!(run(&device), run(&device), "{device:?}");
    }
}
