//! Twin of `shaders/linear_sample.wgsl`.

use super::Real;
use crate::params::linear_sample::Params;
use crate::random::philox;

/// The last word of the counters: no head has this number, so no dropout draws the same words.
pub const PLANE: u32 = u32::MAX;

/// `g = −ln(−ln(1 − u))` for `u = (word + ½)/2³²`: a draw from Gumbel's distribution.
pub fn gumbel(word: u32) -> f64 {
    let u = (f64::from(word) + 0.5) / 4_294_967_296.0;
    -(-(-u).ln_1p()).ln()
}

/// `argmaxᵥ (xᵥ/τ + gᵥ)` of each row of the chunk, of equal ones the lowest.
pub fn forward<T: Real>(params: &Params, (key, logits): (&[u32], &[T]), classes: &mut [u32]) {
    let vocabulary = params.vocabulary as usize;
    let inverse_temperature = T::of(params.inverse_temperature.into());
    let rows = logits.chunks_exact(vocabulary).zip(classes).zip(params.first_row..);
    for ((logits, class), row) in rows {
        let value = |v: usize| {
            let counter = [v as u32 / 4, row, params.site, PLANE];
            let word = philox(counter, [key[0], key[1]])[v % 4];
            logits[v] * inverse_temperature + T::of(gumbel(word))
        };
        let mut largest = value(0);
        *class = 0;
        for v in 1..vocabulary {
            let value = value(v);
            if value > largest {
                (largest, *class) = (value, v as u32);
            }
        }
    }
}
