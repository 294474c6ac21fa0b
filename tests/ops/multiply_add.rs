//! multiply_add: every device against the twin, and the twin against the closed form.

use wgrad_engine::params::multiply_add::Params;
use wgrad_engine::reference::multiply_add as twin;
use wgrad_engine::testing::{assert_close, devices, normal, wide};
use wgrad_engine::{Device, ops};

/// Around a vector, a task of the CPU and a workgroup.
const LENGTHS: [usize; 5] = [1, 7, 255, 256, 1030];

fn judge(x: &[f32], rounds: u32) -> Vec<f64> {
    let params = Params { elements: x.len() as u32, rounds, factor: 0.9375, shift: 0.0625 };
    let mut y = vec![0.0; x.len()];
    twin::forward(&params, &wide(x), &mut y);
    y
}

fn on_device(device: &Device, x: &[f32], rounds: u32) -> Vec<f32> {
    let x = device.upload_f32(x);
    let mut y = device.buffer(x.words());
    ops::multiply_add(device, &x, &mut y, rounds);
    device.read_f32(&y)
}

/// x_N = 1 + (x_0 − 1)·fᴺ, so Σ_c = 12 + (12·x + 66 − 12)·fᴺ.
#[test]
fn the_twin_runs_every_step_of_every_chain() {
    let x = normal(50, 1);
    for rounds in [0, 1, 5] {
        let decay = 0.9375_f64.powi(8 * rounds as i32);
        let expected: Vec<f64> =
            x.iter().map(|&x| 12.0 + (12.0 * f64::from(x) + 54.0) * decay).collect();
        assert_close(&judge(&x, rounds), &expected, 1e-12, &format!("{rounds} rounds"));
    }
}

#[test]
fn devices_match_twin() {
    for device in devices() {
        for n in LENGTHS {
            for rounds in [0, 1, 3, 100] {
                let x = normal(n, 2);
                let context = format!("{device:?} [{n}], {rounds} rounds");
                // An error of a step shrinks by a sixteenth in each that follows: 16 steps of two roundings.
                assert_close(&on_device(&device, &x, rounds), &judge(&x, rounds), 2e-6, &context);
            }
        }
    }
}

#[test]
#[should_panic(expected = "expected at most 65,535")]
fn more_rounds_than_a_loop_may_have_are_refused() {
    on_device(&Device::cpu(), &[1.0], 65_536);
}
