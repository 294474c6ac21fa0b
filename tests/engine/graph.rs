//! The walk: sums over paths, order, and what it refuses.

use wgrad_engine::testing::devices;
use wgrad_engine::{Device, Tensor, no_grad, ops::add};

#[test]
fn gradients_add_over_paths() {
    for device in devices() {
        // y = (x + x) + x: three paths, so dx = 3·dy.
        let x = Tensor::f32(&device, [3], &[1.0, -2.0, 5.0]).tracked();
        let y = add(&add(&x, &x), &x);
        assert_eq!(y.to_f32(), [3.0, -6.0, 15.0]);
        let gradients = y.backward_with(&Tensor::f32(&device, [3], &[1.0, 10.0, -1.0]));
        assert_eq!(gradients.get(&x).expect("x is a leaf").to_f32(), [3.0, 30.0, -3.0]);
    }
}

#[test]
#[should_panic(expected = "add has been walked before")]
fn a_graph_is_walked_once() {
    let device = Device::cpu();
    let x = Tensor::f32(&device, [1], &[1.0]).tracked();
    let y = add(&x, &x);
    drop(y.backward());
    drop(y.backward());
}

#[test]
#[should_panic(expected = "depends on no tracked leaf")]
fn backward_needs_a_leaf() {
    let x = Tensor::f32(&Device::cpu(), [1], &[1.0]);
    drop(add(&x, &x).backward());
}

#[test]
#[should_panic(expected = "add: b is [2], expected [3]")]
fn a_wrong_shape_names_both() {
    let device = Device::cpu();
    let a = Tensor::f32(&device, [3], &[0.0; 3]);
    add(&a, &Tensor::f32(&device, [2], &[0.0; 2]));
}

#[test]
fn no_grad_records_nothing() {
    let x = Tensor::f32(&Device::cpu(), [1], &[1.0]).tracked();
    assert!(!no_grad(|| add(&x, &x)).is_tracked());
    assert!(add(&x, &x).is_tracked());
}
