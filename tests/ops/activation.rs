//! relu, tanh, silu, log1p_relu: slopes against differences, every device against the twin, extremes.

use wgrad_engine::params::activation::Params;
use wgrad_engine::reference::activation as twin;
use wgrad_engine::testing::{assert_close, central_difference, devices, dot, normal, wide};
use wgrad_engine::{Tensor, ops};

/// One function: its op, its twin, and whether the twin's backward reads the result or the argument.
struct Function {
    name: &'static str,
    op: fn(&Tensor) -> Tensor,
    forward: fn(&Params, &[f64], &mut [f64]),
    backward: TwinBackward,
    reads: Reads,
}

/// Takes what forward kept, and dy; gives dx.
type TwinBackward = fn(&Params, (&[f64], &[f64]), &mut [f64]);

enum Reads {
    Result,
    Argument,
}

const FUNCTIONS: [Function; 4] = [
    Function {
        name: "relu",
        op: ops::relu,
        forward: twin::relu_forward,
        backward: twin::relu_backward,
        reads: Reads::Result,
    },
    Function {
        name: "tanh",
        op: ops::tanh,
        forward: twin::tanh_forward,
        backward: twin::tanh_backward,
        reads: Reads::Result,
    },
    Function {
        name: "silu",
        op: ops::silu,
        forward: twin::silu_forward,
        backward: twin::silu_backward,
        reads: Reads::Argument,
    },
    Function {
        name: "log1p_relu",
        op: ops::log1p_relu,
        forward: twin::log1p_relu_forward,
        backward: twin::log1p_relu_backward,
        reads: Reads::Argument,
    },
];

/// Around a quad and a workgroup.
const LENGTHS: [usize; 5] = [1, 4, 7, 1023, 1026];

fn judge(function: &Function, x: &[f64], dy: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let params = Params { elements: x.len() as u32 };
    let (mut y, mut dx) = (vec![0.0; x.len()], vec![0.0; x.len()]);
    (function.forward)(&params, x, &mut y);
    let kept = match function.reads {
        Reads::Result => &y,
        Reads::Argument => x,
    };
    (function.backward)(&params, (kept, dy), &mut dx);
    (y, dx)
}

#[test]
fn backward_matches_finite_differences() {
    for function in &FUNCTIONS {
        let (x, dy) = (wide(&normal(50, 1)), wide(&normal(50, 2)));
        let numeric = central_difference(|x| dot(&judge(function, x, &dy).0, &dy), &x);
        assert_close(&judge(function, &x, &dy).1, &numeric, 1e-7, function.name);
    }
}

#[test]
fn devices_match_twin() {
    for device in devices() {
        for function in &FUNCTIONS {
            for n in LENGTHS {
                let (x, dy) = (normal(n, 1), normal(n, 2));
                let (expected_y, expected_dx) = judge(function, &wide(&x), &wide(&dy));
                let x = Tensor::f32(&device, [n], &x).tracked();
                let y = (function.op)(&x);
                let context = format!("{device:?} {} [{n}]", function.name);
                assert_close(&y.to_f32(), &expected_y, 1e-6, &context);
                let gradients = y.backward_with(&Tensor::f32(&device, [n], &dy));
                let dx = gradients.get(&x).expect("x is tracked").to_f32();
                assert_close(&dx, &expected_dx, 1e-6, &context);
            }
        }
    }
}

/// Nothing overflows, and tanh and log1p_relu keep their relative accuracy near 0.
#[test]
fn extremes_stay_finite_and_accurate() {
    let x = [
        0.0, 1e-20, -1e-6, 3e-4, 0.02, 0.414, 0.4143, -0.624, 0.626, 9.0, -12.0, 45.0, -90.0, 1e30,
        -1e30,
    ];
    for device in devices() {
        for function in &FUNCTIONS {
            let (expected, _) = judge(function, &wide(&x), &[1.0; 15]);
            let leaf = Tensor::f32(&device, [15], &x).tracked();
            let y = (function.op)(&leaf);
            for (at, (y, expected)) in y.to_f32().iter().zip(expected).enumerate() {
                let error = (f64::from(*y) - expected).abs();
                // Below 1e-37, silu's tail is a denormal number, which a device may flush to 0.
                let near = error <= 1e-6 * expected.abs() + 1e-37;
                assert!(near, "{device:?} {}({}) = {y}, not {expected}", function.name, x[at]);
            }
            let gradients = y.backward_with(&Tensor::f32(&device, [15], &[1.0; 15]));
            let dx = gradients.get(&leaf).expect("x is tracked").to_f32();
            assert!(dx.iter().all(|dx| dx.is_finite()), "{device:?} {}: {dx:?}", function.name);
        }
    }
}
