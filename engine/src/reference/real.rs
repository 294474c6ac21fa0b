//! The number a twin computes with.

use std::fmt::Debug;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, DivAssign, Mul, MulAssign, Neg, Sub, SubAssign};

/// f32 or f64, with the few functions that kernels need.
pub trait Real:
    Copy
    + Debug
    + PartialEq
    + PartialOrd
    + Default
    + Send
    + Sync
    + 'static
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
    + MulAssign
    + DivAssign
    + Sum
{
    /// The nearest value to `value`.
    fn of(value: f64) -> Self;
    /// The value as f64.
    fn f64(self) -> f64;
    /// eˣ.
    fn exp(self) -> Self;
    /// Natural logarithm.
    fn ln(self) -> Self;
    /// ln(1 + x), accurate near 0.
    fn ln_1p(self) -> Self;
    /// Square root.
    fn sqrt(self) -> Self;
    /// Hyperbolic tangent.
    fn tanh(self) -> Self;
    /// |x|.
    fn abs(self) -> Self;
    /// The larger of two values.
    fn max(self, other: Self) -> Self;
    /// The smaller of two values.
    fn min(self, other: Self) -> Self;
    /// x raised to `power`.
    fn powf(self, power: Self) -> Self;

    /// 0.
    fn zero() -> Self {
        Self::of(0.0)
    }

    /// 1.
    fn one() -> Self {
        Self::of(1.0)
    }
}

macro_rules! real {
    ($float:ident) => {
        impl Real for $float {
            fn of(value: f64) -> Self {
                value as $float
            }
            fn f64(self) -> f64 {
                f64::from(self)
            }
            fn exp(self) -> Self {
                $float::exp(self)
            }
            fn ln(self) -> Self {
                $float::ln(self)
            }
            fn ln_1p(self) -> Self {
                $float::ln_1p(self)
            }
            fn sqrt(self) -> Self {
                $float::sqrt(self)
            }
            fn tanh(self) -> Self {
                $float::tanh(self)
            }
            fn abs(self) -> Self {
                $float::abs(self)
            }
            fn max(self, other: Self) -> Self {
                $float::max(self, other)
            }
            fn min(self, other: Self) -> Self {
                $float::min(self, other)
            }
            fn powf(self, power: Self) -> Self {
                $float::powf(self, power)
            }
        }
    };
}

real!(f32);
real!(f64);
