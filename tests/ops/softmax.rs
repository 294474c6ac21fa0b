//! softmax and log_softmax: backward against differences, every device against the twins, extremes.

use wgrad_engine::params::softmax::Params;
use wgrad_engine::reference::softmax as twin;
use wgrad_engine::testing::{
    assert_close, central_difference, devices, dot, normal, normal64, wide,
};
use wgrad_engine::{Tensor, ops};

/// Rows and channels: one element, odd, a lane short of a workgroup, a lane over, a wide row.
const SHAPES: [[usize; 2]; 5] = [[1, 1], [3, 5], [2, 255], [2, 257], [5, 1000]];

/// The op, its twin's forward and its twin's backward.
type Form = (
    fn(&Tensor) -> Tensor,
    fn(&Params, &[f64], &mut [f64]),
    fn(&Params, (&[f64], &[f64]), &mut [f64]),
);

const FORMS: [(&str, Form); 2] = [
    ("softmax", (ops::softmax, twin::forward, twin::backward)),
    ("log_softmax", (ops::log_softmax, twin::forward_log, twin::backward_log)),
];

fn forward((_, forward, _): Form, x: &[f64], [rows, channels]: [usize; 2]) -> Vec<f64> {
    let mut y = vec![0.0; x.len()];
    forward(&Params { rows: rows as u32, channels: channels as u32 }, x, &mut y);
    y
}

fn backward(form: Form, x: &[f64], dy: &[f64], shape: [usize; 2]) -> Vec<f64> {
    let y = forward(form, x, shape);
    let mut dx = vec![0.0; x.len()];
    form.2(&Params { rows: shape[0] as u32, channels: shape[1] as u32 }, (&y, dy), &mut dx);
    dx
}

#[test]
fn backward_matches_finite_differences() {
    for (name, form) in FORMS {
        for shape in SHAPES {
            let (x, dy) = (normal64(shape[0] * shape[1], 1), normal64(shape[0] * shape[1], 2));
            // Measured from y₀: the sum over thousands of logarithms would round what a difference is made of.
            let y0 = forward(form, &x, shape);
            let moved = |x: &[f64]| -> Vec<f64> {
                forward(form, x, shape).iter().zip(&y0).map(|(y, y0)| y - y0).collect()
            };
            let numeric = central_difference(|x| dot(&moved(x), &dy), &x);
            let context = format!("{name} {shape:?}");
            assert_close(&backward(form, &x, &dy, shape), &numeric, 1e-7, &context);
        }
    }
}

#[test]
fn devices_match_twin() {
    for device in devices() {
        for ((name, form), shape) in FORMS.into_iter().flat_map(|f| SHAPES.map(|shape| (f, shape)))
        {
            let (x, dy) = (normal(shape[0] * shape[1], 1), normal(shape[0] * shape[1], 2));
            let leaf = Tensor::f32(&device, shape, &x).tracked();
            let y = (form.0)(&leaf);
            let gradients = y.backward_with(&Tensor::f32(&device, shape, &dy));
            let dx = gradients.get(&leaf).expect("x is tracked").to_f32();
            let (x, dy) = (wide(&x), wide(&dy));
            let context = format!("{name} {device:?} {shape:?}");
            assert_close(&y.to_f32(), &forward(form, &x, shape), 2e-6, &context);
            assert_close(&dx, &backward(form, &x, &dy, shape), 1e-5, &context);
        }
    }
}

/// Rows at ±10⁴ neither overflow nor lose their differences, and a weight below f32's range keeps its logarithm.
#[test]
fn extremes_stay_finite() {
    let x = [1e4, 1e4 + 1.0, -1e4, 0.0, -1e4, -1e4];
    for device in devices() {
        let x = Tensor::f32(&device, [2, 3], &x);
        let e = 1.0_f64.exp();
        let weights = [1.0 / (1.0 + e), e / (1.0 + e), 0.0, 1.0, 0.0, 0.0];
        assert_close(&ops::softmax(&x).to_f32(), &weights, 1e-6, &format!("{device:?}"));
        let logs = [-(1.0 + e).ln(), 1.0 - (1.0 + e).ln(), -2e4 - (1.0 + e).ln(), 0.0, -1e4, -1e4];
        assert_close(&ops::log_softmax(&x).to_f32(), &logs, 1e-7, &format!("{device:?}"));
    }
}

#[test]
fn two_runs_give_the_same_bits() {
    for device in devices() {
        let x = Tensor::f32(&device, [5, 700], &normal(3500, 4));
        let [first, second] = [(); 2].map(|()| ops::softmax(&x).to_f32());
        assert_eq!(first, second, "{device:?}");
    }
}
