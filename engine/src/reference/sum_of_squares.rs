//! Twin of `shaders/sum_of_squares.wgsl`.

use rayon::prelude::*;

use super::Real;
use super::lanes::sum;
use crate::params::sum_of_squares::Params;

/// Words of one partial sum, as in the shader.
const CHUNK: usize = 16_384;

/// `Σ g²` per chunk of one arena.
pub fn partial_sums<T: Real>(params: &Params, gradient: &[T], partials: &mut [T]) {
    let partials = &mut partials[params.first_partial as usize..];
    let chunks = gradient[..params.words as usize].par_chunks(CHUNK);
    partials.par_iter_mut().zip(chunks).for_each(|(partial, gradient)| {
        *partial = sum([gradient], |[g]| g * g);
    });
}

/// `state = [‖g‖, clip, finite]`.
pub fn clip<T: Real>(params: &Params, partials: &[T], state: &mut [T]) {
    let partials = &partials[..params.partials as usize];
    let norm = sum([partials], |[partial]| partial).sqrt();
    let (finite, max_norm) = (norm.f64().is_finite(), T::of(params.max_norm.into()));
    state[0] = norm;
    state[1] = if finite && max_norm > T::zero() {
        T::one().min(max_norm / (norm + T::of(1e-6)))
    } else {
        T::one()
    };
    state[2] = if finite { T::one() } else { T::zero() };
}
