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

/// `state = [‖g‖, clip, finite]`, and what becomes of S.
pub fn clip<T: Real>(params: &Params, partials: &[T], (state, scale): (&mut [T], &mut [T])) {
    let partials = &partials[..params.partials as usize];
    let norm = sum([partials], |[partial]| partial).sqrt() / scale[0];
    let (finite, max_norm) = (norm.f64().is_finite(), T::of(params.max_norm.into()));
    state[0] = norm;
    let factor = if finite && max_norm > T::zero() {
        T::one().min(max_norm / (norm + T::of(1e-6)))
    } else {
        T::one()
    };
    state[1] = factor / scale[0];
    state[2] = if finite { T::one() } else { T::zero() };
    if params.growth_steps > 0 {
        let steps = if finite { scale[1] + T::one() } else { T::zero() };
        let grows = steps >= T::of(params.growth_steps.into());
        let factor = if finite { if grows { 2.0 } else { 1.0 } } else { 0.5 };
        scale[0] *= T::of(factor);
        scale[1] = if grows { T::zero() } else { steps };
    }
}
