//! GELU and its slope in f64, the plain meaning of `shaders/shared/gelu.wgsl`.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_PI, FRAC_2_SQRT_PI, PI, TAU};

use super::Real;

/// The form of GELU that shaders know as `GELU_ERF`; any other number is the tanh form.
const ERF: u32 = 0;

/// Coefficient of x³ in the tanh form (Hendrycks & Gimpel 2016, arXiv:1606.08415, §2).
const CUBIC: f64 = 0.044715;

/// The error function to about 4e-16.
///
/// # Source
/// Below 2.5 the series 2/√π·e^(−x²)·Σ 2ⁿx²ⁿ⁺¹/(2n+1)!!, whose terms are all positive (DLMF 7.6.2); above it the
/// continued fraction √π·e^(x²)·erfc(x) = 1/(x + ½/(x + 1/(x + 3⁄2/(x + …)))) (DLMF 7.9.1).
pub fn erf(x: f64) -> f64 {
    let z = x.abs();
    let value = if z < 2.5 {
        let (mut term, mut sum, mut odd) = (z, z, 1.0);
        while term > sum * f64::EPSILON / 16.0 {
            odd += 2.0;
            term *= 2.0 * z * z / odd;
            sum += term;
        }
        FRAC_2_SQRT_PI * (-z * z).exp() * sum
    } else {
        // 120 levels reach 1e-16 at 2.5, where convergence is slowest.
        let fraction = (1..=120).rev().fold(z, |rest, n| z + 0.5 * f64::from(n) / rest);
        1.0 - (-z * z).exp() / (fraction * PI.sqrt())
    };
    value.copysign(x)
}

/// x·Φ(x), or its tanh form.
pub fn gelu<T: Real>(x: T, form: u32) -> T {
    let x = x.f64();
    let twice_share =
        if form == ERF { 1.0 + erf(x * FRAC_1_SQRT_2) } else { 1.0 + inner(x).tanh() };
    T::of(0.5 * x * twice_share)
}

/// d gelu(x) / dx.
pub fn gelu_slope<T: Real>(x: T, form: u32) -> T {
    let x = x.f64();
    T::of(if form == ERF {
        0.5 * (1.0 + erf(x * FRAC_1_SQRT_2)) + x * (-0.5 * x * x).exp() / TAU.sqrt()
    } else {
        let tau = inner(x).tanh();
        let inner_slope = FRAC_2_PI.sqrt() * (1.0 + 3.0 * CUBIC * x * x);
        0.5 * (1.0 + tau) + 0.5 * x * (1.0 - tau * tau) * inner_slope
    })
}

/// u = √(2/π)·(x + 0.044715·x³).
fn inner(x: f64) -> f64 {
    FRAC_2_PI.sqrt() * (x + CUBIC * x * x * x)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of erf to 16 digits (Abramowitz & Stegun 1964, table 7.1, and DLMF §7.23).
    #[test]
    fn erf_gives_the_tabulated_values() {
        let table = [
            (0.0, 0.0),
            (0.1, 0.112_462_916_018_284_9),
            (0.5, 0.520_499_877_813_046_5),
            (1.0, 0.842_700_792_949_714_9),
            (1.5, 0.966_105_146_475_310_8),
            (2.0, 0.995_322_265_018_952_7),
            (2.5, 0.999_593_047_982_555),
            (3.0, 0.999_977_909_503_001_4),
            (4.0, 0.999_999_984_582_742_1),
        ];
        for (x, value) in table {
            assert!((erf(x) - value).abs() < 1e-15, "erf({x}) = {}, expected {value}", erf(x));
            assert_eq!(erf(-x), -erf(x), "erf is odd");
        }
    }

    #[test]
    fn slopes_match_central_differences() {
        for form in [0, 1] {
            for step in -80..=80 {
                let x = f64::from(step) * 0.1;
                let h = 1e-5;
                let numeric = (gelu(x + h, form) - gelu(x - h, form)) / (2.0 * h);
                let analytic = gelu_slope(x, form);
                assert!(
                    (analytic - numeric).abs() < 1e-9,
                    "form {form} at {x}: {analytic}, {numeric}"
                );
            }
        }
    }
}
