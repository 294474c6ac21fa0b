//! eˣ over a slice, written so that the compiler vectorises it: no branches, no calls, no tables.
//!
//! Reduction x = n·ln 2 + r, |r| ≤ ½·ln 2, and the polynomial of Cephes' `expf` (Moshier 1989) for eʳ; at most 2 ulp
//! from the truth. `pulp` compiles the loop once per instruction set and picks one at run time.

use pulp::{Arch, Simd, WithSimd};

/// Partial sums kept side by side: one AVX-512 register, two of AVX2.
const LANES: usize = 16;

/// Replaces every x by exp(x − shift) and returns their sum.
///
/// Results below the smallest normal number are 0; arguments above 88 give at most exp(88.4). A NaN stays one.
/// The order of the sum depends on the length alone.
pub fn exp_slice(x: &mut [f32], shift: f32) -> f32 {
    Arch::new().dispatch(ExpSum { x, shift })
}

/// The largest of `x`, or `floor` if that is larger. A NaN is passed over.
pub fn max_slice(x: &[f32], floor: f32) -> f32 {
    Arch::new().dispatch(Max { x, floor })
}

/// `highestᵢ = max(highestᵢ, xᵢ)`. A NaN is passed over.
pub fn max_slices(x: &[f32], highest: &mut [f32]) {
    Arch::new().dispatch(MaxEach { x, highest });
}

/// `sumsᵢ += exp(xᵢ − shiftsᵢ)`, in the ranges of [`exp_slice`].
pub fn add_exp_slice(x: &[f32], shifts: &[f32], sums: &mut [f32]) {
    Arch::new().dispatch(AddExp { x, shifts, sums });
}

/// `xᵢ ← f·exp(k·xᵢ − m) + fᵢ·exp(k·xᵢ − mᵢ)` with `(m, f)` and all `(mᵢ, fᵢ)`: the weights of one row of a matrix by its
/// row and by its columns.
pub fn exp_slopes(
    x: &mut [f32],
    scale: f32,
    (shift, factor): (f32, f32),
    (shifts, factors): (&[f32], &[f32]),
) {
    Arch::new().dispatch(ExpSlopes { x, scale, shift, factor, shifts, factors });
}

struct ExpSum<'a> {
    x: &'a mut [f32],
    shift: f32,
}

impl WithSimd for ExpSum<'_> {
    type Output = f32;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> f32 {
        let mut sums = [0.0; LANES];
        let (blocks, rest) = self.x.as_chunks_mut::<LANES>();
        for block in blocks {
            for (x, sum) in block.iter_mut().zip(&mut sums) {
                *x = exp(*x - self.shift);
                *sum += *x;
            }
        }
        for (x, sum) in rest.iter_mut().zip(&mut sums) {
            *x = exp(*x - self.shift);
            *sum += *x;
        }
        sums.iter().sum()
    }
}

struct Max<'a> {
    x: &'a [f32],
    floor: f32,
}

impl WithSimd for Max<'_> {
    type Output = f32;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> f32 {
        let larger = |a: f32, b: f32| if b > a { b } else { a };
        let mut highest = [self.floor; LANES];
        let (blocks, rest) = self.x.as_chunks::<LANES>();
        for block in blocks {
            for (x, highest) in block.iter().zip(&mut highest) {
                *highest = larger(*highest, *x);
            }
        }
        let of_blocks = highest.into_iter().fold(self.floor, larger);
        rest.iter().copied().fold(of_blocks, larger)
    }
}

struct MaxEach<'a> {
    x: &'a [f32],
    highest: &'a mut [f32],
}

impl WithSimd for MaxEach<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for (highest, &x) in self.highest.iter_mut().zip(self.x) {
            *highest = if x > *highest { x } else { *highest };
        }
    }
}

struct AddExp<'a> {
    x: &'a [f32],
    shifts: &'a [f32],
    sums: &'a mut [f32],
}

impl WithSimd for AddExp<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for ((sum, x), shift) in self.sums.iter_mut().zip(self.x).zip(self.shifts) {
            *sum += exp(x - shift);
        }
    }
}

struct ExpSlopes<'a> {
    x: &'a mut [f32],
    scale: f32,
    shift: f32,
    factor: f32,
    shifts: &'a [f32],
    factors: &'a [f32],
}

impl WithSimd for ExpSlopes<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let columns = self.shifts.iter().zip(self.factors);
        for (x, (shift, factor)) in self.x.iter_mut().zip(columns) {
            let scaled = *x * self.scale;
            *x = self.factor * exp(scaled - self.shift) + factor * exp(scaled - shift);
        }
    }
}

/// The largest argument whose power of two still is a float, and the smallest whose result is normal.
const HIGHEST: f32 = 88.37;
const LOWEST: f32 = -87.33;

/// eˣ, for loops that `pulp` compiles.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    // Comparisons, not `clamp`: a NaN must pass.
    let bounded = if x > HIGHEST { HIGHEST } else { x };
    let bounded = if bounded < LOWEST { LOWEST } else { bounded };
    // Adding 1.5·2²³ rounds to an integer, which then lies in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let rounded = bounded * std::f32::consts::LOG2_E + ROUND;
    let n = rounded - ROUND;
    // ln 2 in two parts: n times the first is exact.
    let r = (bounded - n * 0.693_359_4) - n * -2.121_944_4e-4;
    let mut p = 1.987_569_1e-4;
    for coefficient in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
        p = p * r + coefficient;
    }
    let power = p * (r * r) + r + 1.0;
    let scaled = f32::from_bits(power.to_bits().wrapping_add(rounded.to_bits() << 23));
    if x < LOWEST { 0.0 } else { scaled }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_result_is_within_two_ulp() {
        let mut x: Vec<f32> = (0..2_000_000).map(|i| -87.3 + 175.6 * i as f32 / 2e6).collect();
        x.extend([0.0, -0.0, 1e-30, -1e-30]);
        let truth: Vec<f64> = x.iter().map(|&x| f64::from(x).exp()).collect();
        exp_slice(&mut x, 0.0);
        for (actual, truth) in x.iter().zip(truth) {
            let ulp =
                f64::from(f32::from_bits((truth as f32).to_bits() + 1)) - f64::from(truth as f32);
            let error = (f64::from(*actual) - truth).abs() / ulp;
            assert!(error <= 2.0, "{actual} for {truth}: {error} ulp");
        }
    }

    #[test]
    fn extremes_are_zero_large_or_nan() {
        let mut x = [-1e4, -88.0, 1e4, f32::NAN, f32::NEG_INFINITY];
        exp_slice(&mut x, 0.0);
        assert_eq!([x[0], x[1], x[4]], [0.0; 3]);
        assert!(x[2] > 2e38 && x[2].is_finite() && x[3].is_nan());
    }

    #[test]
    fn sum_and_max_take_every_element() {
        for length in [0, 1, 15, 16, 17, 100] {
            let mut x: Vec<f32> = (0..length).map(|i| (i % 7) as f32).collect();
            let expected: f32 = x.iter().map(|&x| (x - 6.0).exp()).sum();
            assert_eq!(max_slice(&x, -1.0), x.iter().copied().fold(-1.0, f32::max));
            assert!((exp_slice(&mut x, 6.0) - expected).abs() <= 1e-6 * expected, "{length}");
        }
    }

    #[test]
    fn rows_and_columns_weigh_every_element() {
        for length in [0, 1, 15, 16, 17, 100] {
            let numbers = |step: f32| -> Vec<f32> {
                (0..length).map(|i| step * (i % 7) as f32 - 1.0).collect()
            };
            let (x, shifts, factors) = (numbers(0.5), numbers(0.3), numbers(0.2));
            let mut sums = vec![2.0; length];
            add_exp_slice(&x, &shifts, &mut sums);
            let mut highest = shifts.clone();
            max_slices(&x, &mut highest);
            let mut slopes = x.clone();
            exp_slopes(&mut slopes, 0.7, (0.1, 3.0), (&shifts, &factors));
            for i in 0..length {
                let sum = 2.0 + (x[i] - shifts[i]).exp();
                let slope =
                    3.0 * (0.7 * x[i] - 0.1).exp() + factors[i] * (0.7 * x[i] - shifts[i]).exp();
                assert!((sums[i] - sum).abs() <= 1e-6 * sum, "{length}");
                assert!((slopes[i] - slope).abs() <= 1e-6 * slope.abs().max(1.0), "{length}");
                assert_eq!(highest[i], x[i].max(shifts[i]));
            }
        }
    }
}
