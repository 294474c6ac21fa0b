//! sum and mean: against exact sums, on every device, and their gradients.

use wgrad_engine::testing::{devices, normal, wide};
use wgrad_engine::{Tensor, ops};

/// One element, inside a quad, around a workgroup, around a chunk of partial sums, several chunks.
const LENGTHS: [usize; 8] = [1, 3, 5, 1023, 16_384, 16_385, 16_390, 70_001];

#[test]
fn devices_sum_all_elements_once() {
    for device in devices() {
        for n in LENGTHS {
            let x = normal(n, 1);
            let exact: f64 = wide(&x).iter().sum();
            let size: f64 = wide(&x).iter().map(|x| x.abs()).sum();
            let reductions: [(&str, fn(&Tensor) -> Tensor, f64); 2] =
                [("sum", ops::sum, 1.0), ("mean", ops::mean, 1.0 / n as f64)];
            for (name, op, factor) in reductions {
                let leaf = Tensor::f32(&device, [n], &x).tracked();
                let y = op(&leaf);
                let value = f64::from(y.to_f32()[0]);
                // A lane adds up to 64 elements, then a tree of 8: under 80 roundings of 2⁻²⁴.
                let bound = 5e-6 * factor * size;
                let context = format!("{device:?} {name} [{n}]");
                let expected = factor * exact;
                assert!((value - expected).abs() <= bound, "{context}: {value}, not {expected}");
                assert_eq!(y.to_f32(), op(&leaf).to_f32(), "{context}: again");

                let gradients = y.backward_with(&Tensor::f32(&device, [], &[3.0]));
                let dx = gradients.get(&leaf).expect("x is tracked").to_f32();
                assert_eq!(dx, vec![factor as f32 * 3.0; n], "{context}");
            }
        }
    }
}
