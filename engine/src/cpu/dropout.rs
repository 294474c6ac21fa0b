//! Dropout with the random words of 16 quads drawn side by side, one to a vector lane.
//!
//! The words are those of [`crate::random::philox`], so every element is dropped or kept as everywhere else.
//! `pulp` compiles a task once per instruction set and picks one at run time.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use crate::params::dropout::Params;
use crate::reference::dropout::RowDropout;
use crate::reference::lanes::rows_per_task;

/// Quads drawn at a time: the counters of one AVX-512 register, two of AVX2.
const QUADS: usize = 16;
/// Words of so many quads.
pub(super) const WORDS: usize = 4 * QUADS;

/// `y = x ⊙ k` for each of `rows` rows.
pub fn forward(params: &Params, (key, x): (&[u32], &[f32]), y: &mut [f32]) {
    let (channels, arch) = (params.channels as usize, Arch::new());
    let rows = rows_per_task(channels);
    let tasks = y.par_chunks_mut(rows * channels).zip(x.par_chunks(rows * channels));
    tasks.enumerate().for_each(|(at, (y, x))| {
        arch.dispatch(Rows { params, key: [key[0], key[1]], first_row: at * rows, x, y });
    });
}

/// Some rows, from `first_row` of the batch on.
struct Rows<'a> {
    params: &'a Params,
    key: [u32; 2],
    first_row: usize,
    x: &'a [f32],
    y: &'a mut [f32],
}

impl WithSimd for Rows<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Params { channels, site, first_row, threshold, keep_scale, .. } = *self.params;
        let channels = channels as usize;
        let rows = self.y.chunks_mut(channels).zip(self.x.chunks(channels));
        for (row, (y, x)) in (first_row + self.first_row as u32..).zip(rows) {
            apply(RowDropout { key: self.key, row, site, threshold, keep_scale }, x, y);
        }
    }
}

/// `y[c] = x[c]·k[c]`, as [`RowDropout::apply`].
#[inline(always)]
pub(super) fn apply(dropout: RowDropout<f32>, x: &[f32], y: &mut [f32]) {
    let blocks = x.chunks(WORDS).zip(y.chunks_mut(WORDS));
    for (block, (x, y)) in (0..).zip(blocks) {
        let words = draw([block * QUADS as u32, dropout.row, dropout.site, 0], dropout.key);
        for ((y, &x), &word) in y.iter_mut().zip(x).zip(&words) {
            *y = if word < dropout.threshold { 0.0 } else { x * dropout.keep_scale };
        }
    }
}

/// The words of [`QUADS`] quads from that of `counter` on. Each round is that of [`crate::random::philox`], for all of them.
#[inline(always)]
pub(super) fn draw(counter: [u32; 4], mut key: [u32; 2]) -> [u32; WORDS] {
    let mut counter = counter.map(|word| [word; QUADS]);
    for (quad, at) in counter[0].iter_mut().zip(0..) {
        *quad += at;
    }
    for _ in 0..10 {
        let mut next = [[0; QUADS]; 4];
        for lane in 0..QUADS {
            let low = u64::from(counter[0][lane]) * 0xD251_1F53;
            let high = u64::from(counter[2][lane]) * 0xCD9E_8D57;
            next[0][lane] = (high >> 32) as u32 ^ counter[1][lane] ^ key[0];
            next[1][lane] = high as u32;
            next[2][lane] = (low >> 32) as u32 ^ counter[3][lane] ^ key[1];
            next[3][lane] = low as u32;
        }
        counter = next;
        key = [key[0].wrapping_add(0x9E37_79B9), key[1].wrapping_add(0xBB67_AE85)];
    }
    let mut words = [0; WORDS];
    for quad in 0..QUADS {
        for word in 0..4 {
            words[4 * quad + word] = counter[word][quad];
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{normal, philox};

    #[test]
    fn blocks_draw_the_words_of_philox() {
        let dropout =
            RowDropout { key: [3, 4], row: 77, site: 5, threshold: 1 << 30, keep_scale: 2.0 };
        let words = draw([32, 77, 5, 9], [3, 4]);
        for (quad, words) in words.chunks(4).enumerate() {
            assert_eq!(words, philox([32 + quad as u32, 77, 5, 9], [3, 4]), "quad {quad}");
        }
        for channels in [1, 63, 64, 65, 300] {
            let x = normal(channels, [1, 2]);
            let (mut fast, mut plain) = (vec![0.0; channels], vec![0.0; channels]);
            apply(dropout, &x, &mut fast);
            dropout.apply(&x, &mut plain);
            assert_eq!(fast, plain, "{channels} channels");
        }
    }
}
