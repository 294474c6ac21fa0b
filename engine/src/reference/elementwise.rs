//! Twin of `shaders/elementwise.wgsl`.

use rayon::prelude::*;

use super::Real;
use super::lanes::BLOCK;
use crate::params::elementwise::Params;

/// `y = a − b`.
pub fn subtract<T: Real>(_: &Params, (a, b): (&[T], &[T]), y: &mut [T]) {
    zip(a, b, y, |a, b| a - b);
}

/// `y = a ⊙ b`.
pub fn multiply<T: Real>(_: &Params, (a, b): (&[T], &[T]), y: &mut [T]) {
    zip(a, b, y, |a, b| a * b);
}

/// `y = f·a`.
pub fn scale<T: Real>(params: &Params, a: &[T], y: &mut [T]) {
    let factor = T::of(params.factor.into());
    map(a, y, |a, _| factor * a);
}

/// `y = a + f·b`.
pub fn add_scaled<T: Real>(params: &Params, (a, b): (&[T], &[T]), y: &mut [T]) {
    let factor = T::of(params.factor.into());
    zip(a, b, y, |a, b| a + factor * b);
}

/// `t = f·a`.
pub fn assign<T: Real>(params: &Params, a: &[T], total: &mut [T]) {
    let factor = T::of(params.factor.into());
    map(a, total, |a, _| factor * a);
}

/// `t ← t + f·a`.
pub fn accumulate<T: Real>(params: &Params, a: &[T], total: &mut [T]) {
    let factor = T::of(params.factor.into());
    map(a, total, |a, total| total + factor * a);
}

/// `y[i] = f(a[i], y[i])`.
pub(super) fn map<T: Real>(a: &[T], y: &mut [T], f: impl Fn(T, T) -> T + Sync) {
    y.par_chunks_mut(BLOCK).zip(a.par_chunks(BLOCK)).for_each(|(y, a)| {
        for (y, &a) in y.iter_mut().zip(a) {
            *y = f(a, *y);
        }
    });
}

/// `y[i] = f(a[i], b[i])`.
pub(super) fn zip<T: Real>(a: &[T], b: &[T], y: &mut [T], f: impl Fn(T, T) -> T + Sync) {
    let blocks = a.par_chunks(BLOCK).zip(b.par_chunks(BLOCK));
    y.par_chunks_mut(BLOCK).zip(blocks).for_each(|(y, (a, b))| {
        for (y, (&a, &b)) in y.iter_mut().zip(a.iter().zip(b)) {
            *y = f(a, b);
        }
    });
}
