//! GELU and its slope in f32 without branches, so that loops over slices become vector instructions.
//!
//! The erf form is that of `shaders/shared/gelu.wgsl`; the tanh form is written with the logistic function
//! σ(2u) = (1 + tanh u)/2, which keeps its relative accuracy in the tails. Judged by [`crate::reference::gelu_math`].
//! `pulp` compiles the loops once per instruction set and picks one at run time.

use std::f32::consts::{FRAC_1_SQRT_2, LN_2, LOG2_E};

use pulp::{Arch, Simd, WithSimd};

/// The form of GELU that shaders know as `GELU_ERF`; any other number is the tanh form.
const ERF: u32 = 0;
const CUBIC: f32 = 0.044715;
const SQRT_TWO_OVER_PI: f32 = 0.797_884_6;
const INVERSE_SQRT_TAU: f32 = 0.398_942_3; // 1/√(2π)

/// `c = gelu(u)`, element by element.
pub fn gelu_slice(u: &[f32], c: &mut [f32], form: u32) {
    Arch::new().dispatch(Value { u, c, form });
}

/// `du = dc ⊙ gelu′(u)`, element by element.
pub fn gelu_slope_slice(u: &[f32], dc: &[f32], du: &mut [f32], form: u32) {
    Arch::new().dispatch(Slope { u, dc, du, form });
}

struct Value<'a> {
    u: &'a [f32],
    c: &'a mut [f32],
    form: u32,
}

impl WithSimd for Value<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let pairs = self.c.iter_mut().zip(self.u);
        if self.form == ERF {
            pairs.for_each(|(c, &u)| *c = 0.5 * u * (1.0 + erf(u * FRAC_1_SQRT_2)));
        } else {
            pairs.for_each(|(c, &u)| *c = u * logistic(2.0 * inner(u)).0);
        }
    }
}

struct Slope<'a> {
    u: &'a [f32],
    dc: &'a [f32],
    du: &'a mut [f32],
    form: u32,
}

impl WithSimd for Slope<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let triples = self.du.iter_mut().zip(self.u).zip(self.dc);
        if self.form == ERF {
            triples.for_each(|((du, &u), &dc)| {
                let density = INVERSE_SQRT_TAU * exp(-0.5 * u * u);
                *du = dc * (0.5 * (1.0 + erf(u * FRAC_1_SQRT_2)) + u * density);
            });
        } else {
            triples.for_each(|((du, &u), &dc)| {
                let (share, slope) = logistic(2.0 * inner(u));
                let inner_slope = SQRT_TWO_OVER_PI * (1.0 + 3.0 * CUBIC * u * u);
                *du = dc * (share + u * slope * 2.0 * inner_slope);
            });
        }
    }
}

/// u = √(2/π)·(x + 0.044715·x³).
#[inline(always)]
fn inner(x: f32) -> f32 {
    SQRT_TWO_OVER_PI * x * (1.0 + CUBIC * x * x)
}

/// σ(x) = 1/(1 + e⁻ˣ) and its slope σ(x)·σ(−x), both from the e that cannot overflow.
#[inline(always)]
fn logistic(x: f32) -> (f32, f32) {
    let e = exp(-x.abs());
    let inverse = 1.0 / (1.0 + e);
    (if x < 0.0 { e * inverse } else { inverse }, e * inverse * inverse)
}

/// erf(x) to 1e-7: x + x·P(x²) near zero, 1 − exp(Q(|x|)) elsewhere.
///
/// # Source
/// N. Juffa, stackoverflow.com/a/35148199 (BSD-2): two minimax polynomials.
#[inline(always)]
fn erf(x: f32) -> f32 {
    let t = if x.abs() > 4.0 { 4.0 } else { x.abs() }; // erf(4) = 1 − 1.5e-8 rounds to 1
    let s = t * t;
    let far = (-1.728_534_7e-5 * t + 3.831_972e-4) * s + (-3.883_964_4e-3 * t + 2.425_462_2e-2);
    let far =
        [-1.067_778_8e-1, -6.348_468_7e-1, -1.287_175_1e-1].iter().fold(far, |sum, c| sum * t + c);
    let far = 1.0 - exp(far * t - t);
    let near = [4.991_194_2e-3, -2.676_813_5e-2, 1.128_199_25e-1, -3.761_253_4e-1, 1.283_791_7e-1];
    let near = near.iter().fold(-5.967_617e-4, |sum, c| sum * s + c) * t + t;
    (if t > 0.921_875 { far } else { near }).copysign(x)
}

/// eˣ to 2 ulp for −87 ≤ x ≤ 0, clamped below: 2ⁿ·e^r with |r| ≤ ln 2 / 2.
///
/// # Source
/// The polynomial of Cephes' expf (S. Moshier), with ln 2 in two parts.
#[inline(always)]
fn exp(x: f32) -> f32 {
    /// Adding 1.5·2²³ rounds to the nearest integer, which then lies in the low bits.
    const ROUND: f32 = 12_582_912.0;
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = (LN_2 as f64 - LN_2_HIGH as f64) as f32;
    // A comparison, not `max`: a NaN must pass.
    let x = if x < -87.0 { -87.0 } else { x };
    let rounded = x * LOG2_E + ROUND;
    let n = rounded - ROUND;
    let r = (x - n * LN_2_HIGH) - n * LN_2_LOW;
    let terms = [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5];
    let power = terms.iter().fold(1.987_569_1e-4, |sum, c| sum * r + c) * r * r + r + 1.0;
    f32::from_bits(power.to_bits().wrapping_add(rounded.to_bits() << 23))
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
            gelu_slope_slice(&u, &ones, &mut slope, form);
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
