//! column_sums: every device against the f64 twin, and the gradient against differences.

use wgrad_engine::params::column_sums::Params;
use wgrad_engine::reference::column_sums as twin;
use wgrad_engine::testing::{
    assert_close, central_difference, devices, dot, normal, normal64, wide,
};
use wgrad_engine::{Tensor, ops};

/// (N, C): one element, odd, a strip and a row over, several strips, around a workgroup of channels.
const SHAPES: [(usize, usize); 6] = [(1, 1), (3, 5), (32, 64), (33, 65), (300, 7), (4100, 70)];

fn forward(x: &[f64], (rows, channels): (usize, usize)) -> Vec<f64> {
    let params = params(rows, channels);
    let mut partials = vec![0.0; params.strips as usize * channels];
    let mut y = vec![0.0; channels];
    twin::sum_strips(&params, x, &mut partials);
    twin::combine(&params, &partials, &mut y);
    y
}

fn params(rows: usize, channels: usize) -> Params {
    let strips = rows.div_ceil(32) as u32;
    Params { rows: rows as u32, channels: channels as u32, strip: 32, strips }
}

#[test]
fn backward_matches_differences() {
    for shape @ (rows, channels) in [(1, 1), (3, 5), (40, 3)] {
        let (x, dy) = (normal64(rows * channels, 1), normal64(channels, 2));
        let numeric = central_difference(|x| dot(&forward(x, shape), &dy), &x);
        let mut analytic = vec![0.0; x.len()];
        twin::backward(&params(rows, channels), &dy, &mut analytic);
        assert_close(&analytic, &numeric, 1e-7, &format!("{shape:?}"));
    }
}

#[test]
fn devices_match_twin() {
    for device in devices() {
        for shape @ (rows, channels) in SHAPES {
            let context = format!("{device:?} {shape:?}");
            let (x, dy) = (normal(rows * channels, 1), normal(channels, 2));
            let expected = forward(&wide(&x), shape);
            let leaf = Tensor::f32(&device, [1, rows, channels], &x).tracked();
            let y = ops::column_sums(&leaf);
            // At most 32 + 129 additions one after another.
            assert_close(&y.to_f32(), &expected, 3e-6, &context);
            let gradients = y.backward_with(&Tensor::f32(&device, [channels], &dy));
            let dx = gradients.get(&leaf).expect("x is tracked");
            assert_eq!(dx.to_f32(), dy.repeat(rows), "{context}");
            assert_eq!(ops::column_sums(&leaf).to_f32(), y.to_f32(), "{context}: other bits");
        }
    }
}

/// More workgroups of channels than a dispatch may have along an axis.
#[test]
fn channels_beyond_one_axis_of_workgroups() {
    let channels = 65_535 * 64 + 3;
    let x = normal(2 * channels, 1);
    let expected: Vec<f32> = (0..channels).map(|at| x[at] + x[channels + at]).collect();
    for device in devices() {
        let y = ops::column_sums(&Tensor::f32(&device, [2, channels], &x)).to_f32();
        assert!(y == expected, "{device:?}");
    }
}
