//! Twin of `shaders/adamw.wgsl`.

use rayon::prelude::*;

use super::Real;
use super::lanes::BLOCK;
use crate::params::adamw::Params;

/// Words that share a decay bit, as in the shader.
const DECAY_BLOCK: usize = 64;

/// One step, in place; nothing changes if `state` says that the gradient is not finite.
pub fn step<T: Real>(
    params: &Params,
    (rates, state, decay, gradient): (&[T], &[T], &[u32], &[T]),
    (values, first_moment, second_moment): (&mut [T], &mut [T], &mut [T]),
) {
    if state[2] == T::zero() {
        return;
    }
    let (beta2, epsilon) = (T::of(params.beta2.into()), T::of(params.epsilon.into()));
    let (gain1, gain2) = (T::of(params.gain1.into()), T::of(params.gain2.into()));
    let (clip, step_size, root_correction) = (state[1], rates[1], rates[2]);

    let moments = first_moment.par_chunks_mut(BLOCK).zip(second_moment.par_chunks_mut(BLOCK));
    let arenas = values.par_chunks_mut(BLOCK).zip(gradient.par_chunks(BLOCK)).zip(moments);
    arenas.enumerate().for_each(|(task, ((values, gradient), (first, second)))| {
        let moments = first.chunks_mut(DECAY_BLOCK).zip(second.chunks_mut(DECAY_BLOCK));
        let blocks = values.chunks_mut(DECAY_BLOCK).zip(gradient.chunks(DECAY_BLOCK)).zip(moments);
        for (at, ((values, gradient), (first, second))) in blocks.enumerate() {
            let block = task * (BLOCK / DECAY_BLOCK) + at;
            let decays = decay[block / 32] >> (block % 32) & 1 == 1;
            let keep = if decays { rates[0] } else { T::one() };
            let moments = first.iter_mut().zip(second);
            for ((w, &g), (m, v)) in values.iter_mut().zip(gradient).zip(moments) {
                let g = clip * g;
                *m += gain1 * (g - *m);
                *v = beta2 * *v + gain2 * g * g;
                *w = keep * *w - step_size * *m / (v.sqrt() / root_correction + epsilon);
            }
        }
    });
}
