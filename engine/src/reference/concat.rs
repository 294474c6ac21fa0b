//! Twin of `shaders/concat.wgsl`.
//!
//! What a word means does not matter to a copy: the entry points hand words on, the slabs below them hold any element.

use rayon::prelude::*;

use super::Real;
use crate::params::concat::Params;

/// `joined[o, F + j] = part[o, j]`; the rest of `joined` stays.
pub fn join<T: Real>(params: &Params, part: &[u32], joined: &mut [u32]) {
    join_slabs(params, part, joined);
}

/// `taken[o, j] = whole[o, F + j]`.
pub fn take<T: Real>(params: &Params, whole: &[u32], taken: &mut [u32]) {
    take_slabs(params, whole, taken);
}

/// `joined[o, F + j] = part[o, j]`, and 0 elsewhere.
pub fn spread<T: Real>(params: &Params, part: &[u32], joined: &mut [u32]) {
    spread_slabs(params, part, joined);
}

/// [`join`] of any element.
pub fn join_slabs<E: Copy + Send + Sync>(params: &Params, part: &[E], joined: &mut [E]) {
    let [part_words, whole_words, first] = sizes(params);
    let slabs = joined.par_chunks_exact_mut(whole_words).zip(part.par_chunks_exact(part_words));
    slabs.for_each(|(joined, part)| joined[first..first + part_words].copy_from_slice(part));
}

/// [`take`] of any element.
pub fn take_slabs<E: Copy + Send + Sync>(params: &Params, whole: &[E], taken: &mut [E]) {
    let [part_words, whole_words, first] = sizes(params);
    let slabs = taken.par_chunks_exact_mut(part_words).zip(whole.par_chunks_exact(whole_words));
    slabs.for_each(|(taken, whole)| taken.copy_from_slice(&whole[first..first + part_words]));
}

/// [`spread`] of any element.
pub fn spread_slabs<E: Copy + Default + Send + Sync>(
    params: &Params,
    part: &[E],
    joined: &mut [E],
) {
    joined.fill(E::default());
    join_slabs(params, part, joined);
}

fn sizes(params: &Params) -> [usize; 3] {
    [params.part_words, params.whole_words, params.first].map(|n| n as usize)
}
