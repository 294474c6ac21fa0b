//! l2_normalize: backward against differences, every device against the twin, rows without a direction.

use wgrad_engine::params::l2_normalize::Params;
use wgrad_engine::reference::l2_normalize as twin;
use wgrad_engine::testing::{
    assert_close, central_difference, devices, dot, normal, normal64, wide,
};
use wgrad_engine::{Tensor, ops};

/// Rows and channels: one element, odd, a lane short of a workgroup, a lane over, BERT's width, more rows than lanes of
/// the kernel that walks along them, the longest row that it walks, and one too long for it.
const SHAPES: [[usize; 2]; 9] =
    [[1, 1], [3, 5], [2, 255], [2, 257], [7, 768], [33, 4], [70, 12], [2, 4096], [2, 65_540]];
/// The ε of `torch.nn.functional.normalize`.
const EPSILON: f32 = 1e-12;

fn params([rows, channels]: [usize; 2]) -> Params {
    Params { rows: rows as u32, channels: channels as u32, epsilon: EPSILON }
}

/// The twin in f64: y and n.
fn forward(x: &[f64], shape: [usize; 2]) -> (Vec<f64>, Vec<f64>) {
    let (mut y, mut norm) = (vec![0.0; x.len()], vec![0.0; shape[0]]);
    twin::forward(&params(shape), x, (&mut y, &mut norm));
    (y, norm)
}

fn backward(x: &[f64], dy: &[f64], shape: [usize; 2]) -> Vec<f64> {
    let (y, norm) = forward(x, shape);
    let mut dx = vec![0.0; x.len()];
    twin::backward(&params(shape), (&y, &norm, dy), &mut dx);
    dx
}

#[test]
fn backward_matches_finite_differences() {
    for shape in SHAPES.into_iter().filter(|[_, channels]| *channels <= 768) {
        let (x, dy) = (normal64(shape[0] * shape[1], 1), normal64(shape[0] * shape[1], 2));
        let numeric = central_difference(|x| dot(&forward(x, shape).0, &dy), &x);
        assert_close(&backward(&x, &dy, shape), &numeric, 1e-7, &format!("{shape:?}"));
    }
}

#[test]
fn devices_match_twin() {
    for device in devices() {
        for shape in SHAPES {
            let (x, dy) = (normal(shape[0] * shape[1], 1), normal(shape[0] * shape[1], 2));
            let leaf = Tensor::f32(&device, shape, &x).tracked();
            let y = ops::l2_normalize(&leaf, EPSILON);
            let gradients = y.backward_with(&Tensor::f32(&device, shape, &dy));
            let dx = gradients.get(&leaf).expect("x is tracked").to_f32();
            let (x, dy) = (wide(&x), wide(&dy));
            let context = format!("{device:?} {shape:?}");
            assert_close(&y.to_f32(), &forward(&x, shape).0, 1e-6, &context);
            // With one channel dx is the rounding of dy − dy, far below the floor of 10⁻³ that errors are measured by.
            assert_close(&dx, &backward(&x, &dy, shape), 1e-5, &context);
        }
    }
}

/// A row of zeros stays one and passes no gradient; so does one shorter than ε. Large and small rows keep theirs, with two
/// channels as with two more that are 0: whole quads have a kernel of their own.
#[test]
fn rows_without_a_direction_give_zero() {
    let x = [[0.0, 0.0], [3e-13, -4e-13], [3e-9, -4e-9], [3e15, -4e15]];
    let y = [[0.0, 0.0], [0.3, -0.4], [0.6, -0.8], [0.6, -0.8]];
    for device in devices() {
        for channels in [2, 4] {
            let x: Vec<f32> =
                x.iter().flat_map(|x| [x[0], x[1], 0.0, 0.0][..channels].to_vec()).collect();
            let y: Vec<f64> =
                y.iter().flat_map(|y| [y[0], y[1], 0.0, 0.0][..channels].to_vec()).collect();
            let leaf = Tensor::f32(&device, [4, channels], &x).tracked();
            let result = ops::l2_normalize(&leaf, EPSILON);
            assert_close(&result.to_f32(), &y, 1e-6, &format!("{device:?}"));
            let dy = Tensor::f32(&device, [4, channels], &vec![1.0; 4 * channels]);
            let gradients = result.backward_with(&dy);
            let dx = gradients.get(&leaf).expect("x is tracked").to_f32();
            let (without, with) = dx.split_at(2 * channels);
            assert!(without.iter().all(|dx| *dx == 0.0), "{device:?}: {dx:?}");
            assert!(with.iter().all(|dx| dx.is_finite() && *dx != 0.0), "{device:?}: {dx:?}");
        }
    }
}

#[test]
fn two_runs_give_the_same_bits() {
    for device in devices() {
        for channels in [699, 700] {
            let x = Tensor::f32(&device, [5, channels], &normal(5 * channels, 4));
            let [first, second] = [(); 2].map(|()| ops::l2_normalize(&x, EPSILON).to_f32());
            assert_eq!(first, second, "{device:?} {channels}");
        }
    }
}
