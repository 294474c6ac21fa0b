//! max_pool: backward against differences, every device against the twin, ties, empty and overlong texts.

use wgrad_engine::params::max_pool::Params;
use wgrad_engine::reference::max_pool as twin;
use wgrad_engine::testing::{assert_close, central_difference, devices, dot, normal, wide};
use wgrad_engine::{Tensor, ops};

/// (tokens, channels, lengths): one of each, odd, empty and full texts, a length past the end, around 64 lanes.
const CASES: [(usize, usize, &[u32]); 4] =
    [(1, 1, &[1]), (5, 3, &[0, 1, 5]), (4, 65, &[3, 9]), (9, 128, &[9, 0, 2, 7])];

fn judge(
    (tokens, channels, lengths): (usize, usize, &[u32]),
    x: &[f64],
    dy: &[f64],
) -> (Vec<f64>, Vec<f64>) {
    let params =
        Params { texts: lengths.len() as u32, tokens: tokens as u32, channels: channels as u32 };
    let (mut y, mut dx) = (vec![0.0; dy.len()], vec![0.0; x.len()]);
    let mut positions = vec![7; dy.len()];
    twin::forward(&params, (x, lengths), (&mut y, &mut positions));
    twin::backward(&params, (&positions, dy), &mut dx);
    (y, dx)
}

#[test]
fn backward_matches_finite_differences() {
    for case in &CASES[..3] {
        let rows = case.2.len();
        let (x, dy) = (normal(rows * case.0 * case.1, 1), normal(rows * case.1, 2));
        let (x, dy) = (wide(&x), wide(&dy));
        let numeric = central_difference(|x| dot(&judge(*case, x, &dy).0, &dy), &x);
        assert_close(&judge(*case, &x, &dy).1, &numeric, 1e-7, &format!("{case:?}"));
    }
}

#[test]
fn devices_match_twin() {
    for device in devices() {
        for case in CASES {
            let (tokens, channels, lengths) = case;
            let texts = lengths.len();
            let (x, dy) = (normal(texts * tokens * channels, 1), normal(texts * channels, 2));
            let (expected_y, expected_dx) = judge(case, &wide(&x), &wide(&dy));
            let x = Tensor::f32(&device, [texts, tokens, channels], &x).tracked();
            let lengths = Tensor::u32(&device, [texts], lengths);
            let y = ops::max_pool(&x, &lengths);
            let context = format!("{device:?} {case:?}");
            assert_close(&y.to_f32(), &expected_y, 0.0, &context);
            let gradients = y.backward_with(&Tensor::f32(&device, [texts, channels], &dy));
            let dx = gradients.get(&x).expect("x is tracked").to_f32();
            assert_close(&dx, &expected_dx, 0.0, &context);
        }
    }
}

/// All negative, so that no 0 may come in; the first of equal tokens has the gradient, and hidden ones have no part.
#[test]
fn ties_go_to_the_first_visible_token() {
    for device in devices() {
        let x = [-2.0, -1.0, -1.0, -3.0, -1.0, 5.0];
        let x = Tensor::f32(&device, [1, 6, 1], &x).tracked();
        let y = ops::max_pool(&x, &Tensor::u32(&device, [1], &[5]));
        assert_eq!(y.to_f32(), [-1.0], "{device:?}");
        let gradients = y.backward_with(&Tensor::f32(&device, [1, 1], &[3.0]));
        let dx = gradients.get(&x).expect("x is tracked").to_f32();
        assert_eq!(dx, [0.0, 3.0, 0.0, 0.0, 0.0, 0.0], "{device:?}");
    }
}
