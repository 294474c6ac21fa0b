//! Fast f32 path of `shaders/linear_sample.wgsl`: rows in parallel, 64 classes at a time, most of them dismissed together.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::dropout::{WORDS, draw};
use crate::params::linear_sample::Params;
use crate::reference::linear_sample::{PLANE, gumbel};

/// Bounds kept side by side: two registers of AVX2.
const LANES: usize = 16;

/// `argmaxᵥ (xᵥ/τ + gᵥ)` of each row of the chunk, of equal ones the lowest.
pub fn forward(params: &Params, (key, logits): (&[u32], &[f32]), classes: &mut [u32]) {
    let (vocabulary, arch) = (params.vocabulary as usize, Arch::new());
    let rows = logits.par_chunks_exact(vocabulary).zip(classes).enumerate();
    rows.for_each(|(row, (logits, class))| {
        let row = params.first_row + row as u32;
        *class = arch.dispatch(Row { params, key: [key[0], key[1]], row, logits });
    });
}

struct Row<'a> {
    params: &'a Params,
    key: [u32; 2],
    row: u32,
    logits: &'a [f32],
}

impl WithSimd for Row<'_> {
    type Output = u32;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> u32 {
        let Params { site, inverse_temperature, .. } = *self.params;
        let (mut largest, mut found) = (f32::MIN, 0);
        for (block, logits) in self.logits.chunks(WORDS).enumerate() {
            let first = block * WORDS;
            let words = draw([first as u32 / 4, self.row, site, PLANE], self.key);
            if most(logits, &words, inverse_temperature) <= largest {
                continue;
            }
            for (v, (&x, &word)) in (first..).zip(logits.iter().zip(&words)) {
                let x = x * inverse_temperature;
                if x + bound(word) > largest {
                    let value = x + gumbel(word) as f32;
                    if value > largest {
                        (largest, found) = (value, v as u32);
                    }
                }
            }
        }
        found
    }
}

/// No less than any `xᵥ/τ + gᵥ` of the block.
#[inline(always)]
fn most(logits: &[f32], words: &[u32; WORDS], inverse_temperature: f32) -> f32 {
    let mut bounds = [f32::MIN; LANES];
    for (logits, words) in logits.chunks(LANES).zip(words.chunks(LANES)) {
        for ((most, &x), &word) in bounds.iter_mut().zip(logits).zip(words) {
            let value = x * inverse_temperature + bound(word);
            *most = if value > *most { value } else { *most };
        }
    }
    bounds.into_iter().fold(f32::MIN, |a, b| if b > a { b } else { a })
}

/// No less than g: −ln u ≥ g, and the exponent of the word as a float bounds it, a little above to allow for rounding.
#[inline(always)]
fn bound(word: u32) -> f32 {
    let exponent = (word as f32 + 0.5).to_bits() >> 23; // 127 + ⌊log₂(word + ½)⌋
    (159 - exponent) as i32 as f32 * 0.694
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_draw_exceeds_its_bound() {
        let powers = (0..32).flat_map(|bit| [1_u32 << bit, (1 << bit) - 1, !(1 << bit)]);
        for word in powers.chain((0..100_000).map(|at: u32| at.wrapping_mul(2_654_435_761))) {
            let (bound, draw) = (bound(word), gumbel(word) as f32);
            assert!(bound > draw && bound < draw.max(0.4) + 1.5, "{word}: {draw}, bound {bound}");
        }
    }
}
