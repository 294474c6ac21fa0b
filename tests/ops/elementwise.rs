//! subtract, multiply, scale, add_scaled, accumulate and assign: values and gradients on every device.

use wgrad_engine::testing::{devices, normal};
use wgrad_engine::{Tensor, ops};

/// Around a quad and a workgroup.
const LENGTHS: [usize; 5] = [1, 3, 4, 1025, 5000];
const FACTOR: f32 = -0.75;

/// `y, da, db` of one element, from a, b and dy, rounded as f32 rounds.
type Formula = fn(f32, f32, f32) -> [f32; 3];

const BINARY: [(&str, fn(&Tensor, &Tensor) -> Tensor, Formula); 3] = [
    ("subtract", ops::subtract, |a, b, dy| [a - b, dy, -dy]),
    ("multiply", ops::multiply, |a, b, dy| [a * b, dy * b, dy * a]),
    ("scale", |a, _| ops::scale(a, FACTOR), |a, _, dy| [FACTOR * a, FACTOR * dy, 0.0]),
];

#[test]
fn values_and_gradients_are_exact() {
    for device in devices() {
        for n in LENGTHS {
            let (a, b, dy) = (normal(n, 1), normal(n, 2), normal(n, 3));
            for (name, op, formula) in BINARY {
                let tensor = |values: &[f32]| Tensor::f32(&device, [n], values);
                let (left, right) = (tensor(&a).tracked(), tensor(&b).tracked());
                let y = op(&left, &right);
                let gradients = y.backward_with(&tensor(&dy));
                let read = |leaf| {
                    gradients.get(leaf).map_or_else(|| vec![0.0; n], |gradient| gradient.to_f32())
                };
                let actual = [y.to_f32(), read(&left), read(&right)];
                let expected = |part: usize| -> Vec<f32> {
                    (0..n).map(|i| formula(a[i], b[i], dy[i])[part]).collect()
                };
                let expected = [0, 1, 2].map(expected);
                assert_eq!(actual, expected, "{device:?} {name} [{n}]");
            }
        }
    }
}

/// One rounding or two: a device may fuse the product into the sum.
#[test]
fn scaled_sums_round_at_most_twice() {
    for device in devices() {
        for n in LENGTHS {
            let (a, b, dy) = (normal(n, 1), normal(n, 2), normal(n, 3));
            let tensor = |values: &[f32]| Tensor::f32(&device, [n], values);
            let (left, right) = (tensor(&a).tracked(), tensor(&b).tracked());
            let y = ops::add_scaled(&left, &right, FACTOR);
            let expected: Vec<f32> = a.iter().zip(&b).map(|(a, b)| a + FACTOR * b).collect();
            check(&y.to_f32(), &expected, &format!("{device:?} add_scaled [{n}]"));
            let gradients = y.backward_with(&tensor(&dy));
            assert_eq!(gradients.get(&left).expect("tracked").to_f32(), dy);
            let scaled: Vec<f32> = dy.iter().map(|dy| FACTOR * dy).collect();
            assert_eq!(gradients.get(&right).expect("tracked").to_f32(), scaled);

            let mut total = device.upload_f32(&a);
            ops::accumulate(&device, &device.upload_f32(&b), &mut total, FACTOR);
            check(&device.read_f32(&total), &expected, &format!("{device:?} accumulate [{n}]"));
            ops::assign(&device, &device.upload_f32(&dy), &mut total, FACTOR);
            assert_eq!(device.read_f32(&total), scaled, "{device:?} assign [{n}]");
        }
    }
}

fn check(actual: &[f32], expected: &[f32], context: &str) {
    for (actual, expected) in actual.iter().zip(expected) {
        assert!((actual - expected).abs() <= 1e-6, "{context}: {actual}, expected {expected}");
    }
}

#[test]
#[should_panic(expected = "multiply: b is [3], expected [2]")]
fn other_shapes_are_refused() {
    let device = wgrad_engine::Device::cpu();
    let a = Tensor::f32(&device, [2], &[1.0, 2.0]);
    ops::multiply(&a, &Tensor::f32(&device, [3], &[1.0, 2.0, 3.0]));
}
