//! gelu: the slope against differences, every device against the twin, both forms.

use wgrad_engine::ops::Gelu;
use wgrad_engine::params::gelu::Params;
use wgrad_engine::reference::gelu as twin;
use wgrad_engine::testing::{assert_close, central_difference, devices, dot, normal, wide};
use wgrad_engine::{Device, Tensor, ops};

const FORMS: [(Gelu, u32); 2] = [(Gelu::Erf, 0), (Gelu::Tanh, 1)];

/// Around a quad and a workgroup.
const LENGTHS: [usize; 5] = [1, 4, 7, 1023, 1026];

/// `n` numbers of which some are extreme: x³ of the tanh form must not overflow into NaN.
fn arguments(n: usize) -> Vec<f32> {
    let mut x: Vec<f32> = normal(n, 1).iter().map(|x| 3.0 * x).collect();
    let extremes = [0.0, -0.0, 1e-6, -1e-6, 50.0, -50.0, 1e4, -1e4, 1e9, -1e9];
    if n > 100 {
        x[..extremes.len()].copy_from_slice(&extremes);
    }
    x
}

fn judge(form: u32, x: &[f64], dy: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let params = Params { elements: x.len() as u32, form };
    let (mut y, mut dx) = (vec![0.0; x.len()], vec![0.0; x.len()]);
    twin::forward(&params, x, &mut y);
    twin::backward(&params, (x, dy), &mut dx);
    (y, dx)
}

#[test]
fn backward_matches_finite_differences() {
    for (_, form) in FORMS {
        let (x, dy) = (wide(&normal(50, 1)), wide(&normal(50, 2)));
        let numeric = central_difference(|x| dot(&judge(form, x, &dy).0, &dy), &x);
        assert_close(&judge(form, &x, &dy).1, &numeric, 1e-7, &format!("form {form}"));
    }
}

fn on_device(device: &Device, form: Gelu, x: &[f32], dy: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let x = Tensor::f32(device, [x.len()], x).tracked();
    let y = ops::gelu(&x, form);
    let gradients = y.backward_with(&Tensor::f32(device, [dy.len()], dy));
    (y.to_f32(), gradients.get(&x).expect("x is tracked").to_f32())
}

#[test]
fn devices_match_twin() {
    for device in devices() {
        for (form, number) in FORMS {
            for n in LENGTHS {
                let (x, dy) = (arguments(n), normal(n, 2));
                let (y, dx) = on_device(&device, form, &x, &dy);
                let (expected_y, expected_dx) = judge(number, &wide(&x), &wide(&dy));
                let context = format!("{device:?} {form:?} [{n}]");
                for (at, (y, expected)) in y.iter().zip(&expected_y).enumerate() {
                    // Below 1 the error is absolute, as that of erf is.
                    let error = (f64::from(*y) - expected).abs() / expected.abs().max(1.0);
                    assert!(error <= 1e-6, "{context}: gelu({}) = {y}, not {expected}", x[at]);
                }
                assert_close(&dx, &expected_dx, 2e-6, &context);
                assert_eq!((y, dx), on_device(&device, form, &x, &dy), "{context}: again");
            }
        }
    }
}
