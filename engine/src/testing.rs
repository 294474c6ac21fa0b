//! What every test of an op needs: devices, numbers, differences and a comparison.

pub mod bench;

use crate::device::{Device, Options, Selector, adapters};
use crate::random;
use crate::reference::Real;

/// Every device of this machine: the CPU, and each adapter without and with run-time checks.
///
/// # Panics
/// If `WGRAD_REQUIRE_GPU=1` and there is no adapter: then nothing would run the WGSL.
pub fn devices() -> Vec<Device> {
    let mut devices = vec![Device::cpu_with(Options { checked: true, ..Options::default() })];
    let count = adapters().len();
    let required = std::env::var("WGRAD_REQUIRE_GPU").is_ok_and(|value| value == "1");
    assert!(count > 0 || !required, "WGRAD_REQUIRE_GPU=1, but there is no GPU adapter");
    for index in 0..count {
        for checked in [false, true] {
            let options = Options { checked, ..Options::default() };
            let device = Device::open(&Selector::Index(index), options);
            devices.push(device.unwrap_or_else(|error| panic!("adapter {index}: {error}")));
        }
    }
    if count == 0 {
        eprintln!("no GPU adapter: only the CPU is tested");
    }
    devices
}

/// `count` standard normal numbers for `seed`.
pub fn normal(count: usize, seed: u64) -> Vec<f32> {
    random::normal(count, random::key_of(seed, "testing"))
}

/// The same numbers in f64: exactly those that a device is given.
pub fn normal64(count: usize, seed: u64) -> Vec<f64> {
    wide(&normal(count, seed))
}

/// f32 to f64, exactly.
pub fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value)).collect()
}

/// ⟨a, b⟩.
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The gradient of `loss` at `x` by central differences in f64, h = 10⁻⁶·max(1, |x|).
pub fn central_difference(mut loss: impl FnMut(&[f64]) -> f64, x: &[f64]) -> Vec<f64> {
    let mut point = x.to_vec();
    let slope = |index: usize| {
        let h = 1e-6 * x[index].abs().max(1.0);
        point[index] = x[index] + h;
        let above = loss(&point);
        point[index] = x[index] - h;
        let below = loss(&point);
        point[index] = x[index];
        (above - below) / (2.0 * h)
    };
    (0..x.len()).map(slope).collect()
}

/// Panics with the worst element unless max|actual − expected| ≤ `tolerance` · max(max|expected|, 10⁻³).
///
/// The error is relative to the largest element of the tensor: element-wise relative errors say nothing where a
/// sum cancels.
///
/// # Panics
/// Also if the lengths differ or anything is not finite.
#[track_caller]
pub fn assert_close<T: Real>(actual: &[T], expected: &[f64], tolerance: f64, context: &str) {
    assert_eq!(actual.len(), expected.len(), "{context}: other length");
    let scale = expected.iter().fold(1e-3_f64, |most, value| most.max(value.abs()));
    let mut worst = (0.0, 0);
    for (index, (actual, expected)) in actual.iter().zip(expected).enumerate() {
        assert!(
            actual.f64().is_finite(),
            "{context}: [{index}] is {actual:?}, expected {expected}"
        );
        let error = (actual.f64() - expected).abs() / scale;
        if error > worst.0 {
            worst = (error, index);
        }
    }
    assert!(
        worst.0 <= tolerance,
        "{context}: [{}] is {:?}, expected {}; relative error {:.2e} > {tolerance:.1e}",
        worst.1,
        actual[worst.1],
        expected[worst.1],
        worst.0
    );
}

/// max|actual − expected| / max|expected|.
pub fn relative_error<T: Real>(actual: &[T], expected: &[f64]) -> f64 {
    let scale = expected.iter().fold(1e-30_f64, |most, value| most.max(value.abs()));
    let errors = actual.iter().zip(expected).map(|(a, e)| (a.f64() - e).abs() / scale);
    errors.fold(0.0, f64::max)
}
