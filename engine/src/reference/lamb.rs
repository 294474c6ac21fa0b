//! Twin of `shaders/lamb.wgsl`.

use rayon::prelude::*;

use super::Real;
use super::lanes::sum;
use crate::params::lamb::Params;

/// Moves m and v, and gives `Σw²` and `Σu²` of each chunk; m and v stay if `state` says that the gradient is not finite.
pub fn moments<T: Real>(
    params: &Params,
    (rates, state, chunks, gradient, values): (&[T], &[T], &[u32], &[T], &[T]),
    (first_moment, second_moment, partials): (&mut [T], &mut [T], &mut [T]),
) {
    let (rule, clip, is_finite) = (Rule::new(params, rates), state[1], state[2] != T::zero());
    let moments = pieces(first_moment, chunks).into_par_iter().zip(pieces(second_moment, chunks));
    let chunks = chunks.par_chunks_exact(4).zip(partials.par_chunks_exact_mut(2));
    moments.zip(chunks).for_each(|((first, second), (chunk, partial))| {
        let start = chunk[0] as usize;
        // Whole quads, as the device moves them: what lies past the tensor has a gradient of 0.
        let gradient = &gradient[start..start + first.len()];
        if is_finite {
            for ((m, v), &g) in first.iter_mut().zip(second.iter_mut()).zip(gradient) {
                let g = clip * g;
                *m += rule.gain1 * (g - *m);
                *v = rule.beta2 * *v + rule.gain2 * g * g;
            }
        }
        let words = chunk[1] as usize - start;
        let (m, v, w) = (&first[..words], &second[..words], &values[start..start + words]);
        let pull = rule.pull(chunk);
        partial[0] = sum([w], |[w]| w * w);
        partial[1] = sum([m, v, w], |[m, v, w]| {
            let u = rule.direction(m, v, w, pull);
            u * u
        });
    });
}

/// `q = ‖w‖/‖u‖` of each tensor, 1 where either is 0.
pub fn trust<T: Real>(_: &Params, (partials, spans): (&[T], &[u32]), ratios: &mut [T]) {
    for (span, ratio) in spans.chunks_exact(2).zip(ratios) {
        let chunks = partials.chunks_exact(2).skip(span[0] as usize).take(span[1] as usize);
        let [w, u] = [0, 1].map(|at| chunks.clone().map(|partial| partial[at]).sum::<T>().sqrt());
        *ratio = if w > T::zero() && u > T::zero() { w / u } else { T::one() };
    }
}

/// `w ← w − η·q·u`; nothing changes if `state` says that the gradient is not finite.
pub fn apply<T: Real>(
    params: &Params,
    (rates, state, chunks, first_moment, second_moment, ratios): (
        &[T],
        &[T],
        &[u32],
        &[T],
        &[T],
        &[T],
    ),
    values: &mut [T],
) {
    if state[2] == T::zero() {
        return;
    }
    let rule = Rule::new(params, rates);
    let values = pieces(values, chunks).into_par_iter().zip(chunks.par_chunks_exact(4));
    values.for_each(|(values, chunk)| {
        let (length, pull) = (rates[0] * ratios[chunk[2] as usize], rule.pull(chunk));
        let (start, words) = (chunk[0] as usize, (chunk[1] - chunk[0]) as usize);
        let moments = first_moment[start..].iter().zip(&second_moment[start..]);
        for (w, (&m, &v)) in values[..words].iter_mut().zip(moments) {
            *w -= length * rule.direction(m, v, *w, pull);
        }
    });
}

/// The whole quads of each chunk of an arena, which lie in its order.
fn pieces<'a, T>(arena: &'a mut [T], chunks: &[u32]) -> Vec<&'a mut [T]> {
    let (mut rest, mut at) = (arena, 0);
    let piece = |chunk: &[u32]| {
        let (start, end) = (chunk[0] as usize, chunk[1].next_multiple_of(4) as usize);
        let (_, behind) = std::mem::take(&mut rest).split_at_mut(start - at);
        let (piece, behind) = behind.split_at_mut(end - start);
        (rest, at) = (behind, end);
        piece
    };
    chunks.chunks_exact(4).map(piece).collect()
}

/// The numbers of one step.
struct Rule<T> {
    beta2: T,
    gain1: T,
    gain2: T,
    epsilon: T,
    decay: T,
    /// 1/(1 − β₁ᵗ).
    correction: T,
    /// √(1 − β₂ᵗ).
    root_correction: T,
}

impl<T: Real> Rule<T> {
    fn new(params: &Params, rates: &[T]) -> Self {
        let of = |value: f32| T::of(value.into());
        Self {
            beta2: of(params.beta2),
            gain1: of(params.gain1),
            gain2: of(params.gain2),
            epsilon: of(params.epsilon),
            decay: of(params.decay),
            correction: rates[1],
            root_correction: rates[2],
        }
    }

    /// λ, or 0 where the tensor of the chunk does not decay.
    fn pull(&self, chunk: &[u32]) -> T {
        if chunk[3] == 1 { self.decay } else { T::zero() }
    }

    /// u of one word.
    fn direction(&self, m: T, v: T, w: T, pull: T) -> T {
        m * self.correction / (v.sqrt() / self.root_correction + self.epsilon) + pull * w
    }
}
