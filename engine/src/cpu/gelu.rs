//! The fast f32 path of `shaders/gelu.wgsl`: branch-free formulas in loops that become vector instructions.
//!
//! The same formulas as `shaders/shared/gelu.wgsl`; judged by [`crate::reference::gelu`], whose erf is a series.

use std::f32::consts::FRAC_1_SQRT_2;

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::exp::exp;
use crate::params::gelu::Params;

/// The form of GELU that shaders know as `GELU_ERF`; any other number is the tanh form.
const ERF: u32 = 0;
const CUBIC: f32 = 0.044715;
const SQRT_TWO_OVER_PI: f32 = 0.797_884_56;
const INVERSE_SQRT_TAU: f32 = 0.398_942_28; // 1/√(2π)

/// Elements of one task: longer than the cost of a task, short enough to balance.
const BLOCK: usize = 1 << 14;

/// `y = gelu(x)`.
pub fn forward(params: &Params, x: &[f32], y: &mut [f32]) {
    let blocks = y.par_chunks_mut(BLOCK).zip(x.par_chunks(BLOCK));
    blocks.for_each(|(y, x)| gelu_slice(x, y, params.form));
}

/// `dx = dy ⊙ gelu′(x)`.
pub fn backward(params: &Params, (x, dy): (&[f32], &[f32]), dx: &mut [f32]) {
    let blocks = dx.par_chunks_mut(BLOCK).zip(x.par_chunks(BLOCK).zip(dy.par_chunks(BLOCK)));
    blocks.for_each(|(dx, (x, dy))| slope_slice(x, dy, dx, params.form));
}

/// `y = gelu(x)` on this thread.
pub(super) fn gelu_slice(x: &[f32], y: &mut [f32], form: u32) {
    // The second operand is not looked at; one loop serves both directions.
    if form == ERF {
        zip(x, x, y, |x, _| 0.5 * x * (1.0 + erf(x * FRAC_1_SQRT_2)));
    } else {
        zip(x, x, y, |x, _| 0.5 * x * (1.0 + tanh(inner(x))));
    }
}

/// `dx = dy ⊙ gelu′(x)` on this thread.
fn slope_slice(x: &[f32], dy: &[f32], dx: &mut [f32], form: u32) {
    if form == ERF {
        zip(x, dy, dx, |x, dy| {
            let density = INVERSE_SQRT_TAU * exp(-0.5 * x * x);
            dy * (0.5 * (1.0 + erf(x * FRAC_1_SQRT_2)) + x * density)
        });
    } else {
        zip(x, dy, dx, |x, dy| {
            let tau = tanh(inner(x));
            let inner_slope = SQRT_TWO_OVER_PI * (1.0 + 3.0 * CUBIC * x * x);
            dy * (0.5 * (1.0 + tau) + 0.5 * x * (1.0 - tau * tau) * inner_slope)
        });
    }
}

/// `y[i] = f(a[i], b[i])`, compiled once per instruction set and picked at run time.
fn zip(a: &[f32], b: &[f32], y: &mut [f32], f: impl Fn(f32, f32) -> f32) {
    Arch::new().dispatch(Zip { a, b, y, f });
}

struct Zip<'a, F> {
    a: &'a [f32],
    b: &'a [f32],
    y: &'a mut [f32],
    f: F,
}

impl<F: Fn(f32, f32) -> f32> WithSimd for Zip<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for (y, (&a, &b)) in self.y.iter_mut().zip(self.a.iter().zip(self.b)) {
            *y = (self.f)(a, b);
        }
    }
}

/// u = √(2/π)·(x + 0.044715·x³).
#[inline(always)]
fn inner(x: f32) -> f32 {
    SQRT_TWO_OVER_PI * x * (1.0 + CUBIC * x * x)
}

/// erf(x) to 1e-7: x + x·P(x²) near zero, 1 − exp(Q(|x|)) elsewhere.
///
/// # Source
/// N. Juffa, stackoverflow.com/a/35148199 (BSD-2): two minimax polynomials.
#[inline(always)]
fn erf(x: f32) -> f32 {
    let t = x.abs().min(4.0); // erf(4) = 1 − 1.5e-8 rounds to 1
    let s = t * t;
    let far = (-1.728_534_7e-5 * t + 3.831_972e-4) * s + (-3.883_964_4e-3 * t + 2.425_462_2e-2);
    let far =
        [-1.067_778_8e-1, -6.348_468_7e-1, -1.287_175_1e-1].iter().fold(far, |sum, c| sum * t + c);
    let far = 1.0 - exp(far * t - t);
    let near = [4.991_194_2e-3, -2.676_813_5e-2, 1.128_199_25e-1, -3.761_253_4e-1, 1.283_791_7e-1];
    let near = near.iter().fold(-5.967_617e-4, |sum, c| sum * s + c) * t + t;
    (if t > 0.921_875 { far } else { near }).copysign(x)
}

/// tanh(x) = 1 − 2/(e^(2x) + 1), with the argument held where neither side overflows.
#[inline(always)]
fn tanh(x: f32) -> f32 {
    (1.0 - 2.0 / (exp(2.0 * x.abs().min(10.0)) + 1.0)).copysign(x)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::gelu_math as twin;

    #[test]
    fn slices_match_the_twin_to_rounding() {
        let u: Vec<f32> = (-1200..=1200).map(|step| step as f32 * 0.01).collect();
        let ones = vec![1.0; u.len()];
        let (mut y, mut slope) = (ones.clone(), ones.clone());
        for form in [0, 1] {
            gelu_slice(&u, &mut y, form);
            slope_slice(&u, &ones, &mut slope, form);
            for ((&u, &y), &slope) in u.iter().zip(&y).zip(&slope) {
                let expected = twin::gelu(f64::from(u), form);
                let scale = f64::from(u.abs().max(1.0));
                assert!((f64::from(y) - expected).abs() < 1.5e-7 * scale, "gelu({u}) = {y}");
                let expected = twin::gelu_slope(f64::from(u), form);
                assert!((f64::from(slope) - expected).abs() < 4e-7, "gelu′({u}) = {slope}");
            }
        }
    }
}
