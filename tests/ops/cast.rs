//! cast: f16 as IEEE 754 rounds it, on every device, and the way back.

use half::f16;
use wgrad_engine::device::Format;
use wgrad_engine::reference::cast as twin;
use wgrad_engine::testing::{devices, normal};
use wgrad_engine::{Tensor, ops, params::cast::Params};

/// One element, around a vec4, around a workgroup.
const LENGTHS: [usize; 6] = [1, 3, 4, 5, 1023, 1025];

#[test]
fn devices_round_to_the_nearest() {
    for device in devices().iter().filter(|device| device.supports(Format::Half)) {
        for n in LENGTHS {
            let mut x = normal(n, 1);
            // Ties go to even: 1 + 2⁻¹¹ down, 1 + 3·2⁻¹¹ up; below 6e-5 steps are 6e-8; 65,504 is the largest.
            let edges = [1.0 + 2f32.powi(-11), 1.0 + 3.0 * 2f32.powi(-11), 3.3e-7, -65_504.0];
            for (x, edge) in x.iter_mut().zip(edges) {
                *x = edge;
            }
            let mut copy = vec![0.0; n];
            twin::forward(&Params { elements: n as u32 }, &x, &mut copy);
            let expected: Vec<f32> = copy.iter().map(|&x| f16::from_f32(x).to_f32()).collect();

            let x = Tensor::f32(device, [n], &x).tracked();
            let y = ops::cast(&x, Format::Half);
            assert_eq!((y.format(), y.to_f32()), (Format::Half, expected.clone()), "{device:?}");
            let back = ops::cast(&y, Format::Word);
            assert_eq!((back.format(), back.to_f32()), (Format::Word, expected), "{device:?}");

            let dy = normal(n, 2);
            let gradients = back.backward_with(&Tensor::f32(device, [n], &dy));
            let dx = gradients.get(&x).expect("x is tracked");
            let rounded: Vec<f32> = dy.iter().map(|&dy| f16::from_f32(dy).to_f32()).collect();
            assert_eq!((dx.format(), dx.to_f32()), (Format::Word, rounded), "{device:?}");
        }
    }
}

#[test]
fn what_does_not_fit_is_infinite() {
    for device in devices().iter().filter(|device| device.supports(Format::Half)) {
        let x = Tensor::f32(device, [2], &[7e4, -1e30]);
        let y = ops::cast(&x, Format::Half).to_f32();
        assert_eq!(y, [f32::INFINITY, f32::NEG_INFINITY], "{device:?}");
    }
}

#[test]
fn formats_are_not_mixed() {
    let device = wgrad_engine::Device::cpu();
    let x = Tensor::f32(&device, [4], &[1.0; 4]);
    let y = ops::cast(&x, Format::Half);
    let add = std::panic::AssertUnwindSafe(|| ops::add(&x, &y));
    let mixed = std::panic::catch_unwind(add).expect_err("x is f32, y is f16");
    let message = mixed.downcast_ref::<String>().expect("panics carry text");
    assert_eq!(message, "add.forward: b lies as Half, expected Word");
}
