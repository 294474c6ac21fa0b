//! Dropout of one row on the CPU: a register of Philox counters at a time.

use pulp::{Arch, Simd, WithSimd};

/// Which row of which dropout, under which key; see [`Dropout`](crate::random::Dropout).
#[derive(Clone, Copy, Debug)]
pub struct DropRow {
    /// The step's key.
    pub key: [u32; 2],
    /// Global number of the row.
    pub row: u32,
    /// Which dropout of the model.
    pub site: u32,
    /// Head, or 0.
    pub z: u32,
    /// Words below it drop.
    pub threshold: u32,
    /// 1/(1 − probability).
    pub keep_scale: f32,
}

impl DropRow {
    /// Multiplies `values`, from column `first`, a multiple of four, by 0 where dropped and by `keep_scale` where kept.
    pub fn apply(&self, first: usize, values: &mut [f32]) {
        debug_assert!(first.is_multiple_of(4), "a counter has four columns, {first} is within one");
        Arch::new().dispatch(Apply { drop: *self, first, values });
    }
}

struct Apply<'a> {
    drop: DropRow,
    first: usize,
    values: &'a mut [f32],
}

/// Lanes of the widest register.
const WIDEST: usize = 16;

impl WithSimd for Apply<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { drop, first, values } = self;
        let lanes = S::U32_LANES;
        let mut columns: [u32; WIDEST] = std::array::from_fn(|lane| (first / 4 + lane) as u32);
        let mut scales = [[0.0; WIDEST]; 4];
        for values in values.chunks_mut(4 * lanes) {
            let words = philox(simd, S::as_simd_u32s(&columns).0[0], drop);
            for (scales, word) in scales.iter_mut().zip(words) {
                let dropped = simd.less_than_u32s(word, simd.splat_u32s(drop.threshold));
                let (zero, kept) = (simd.splat_f32s(0.0), simd.splat_f32s(drop.keep_scale));
                S::as_mut_simd_f32s(scales).0[0] = simd.select_f32s(dropped, zero, kept);
            }
            for (at, values) in values.chunks_mut(4).enumerate() {
                for (value, scales) in values.iter_mut().zip(&scales) {
                    *value *= scales[at];
                }
            }
            for column in &mut columns {
                *column += lanes as u32;
            }
        }
    }
}

/// [`crate::random::philox`] at the counters (column / 4, row, site, z): one register a word.
#[inline(always)]
fn philox<S: Simd>(simd: S, columns: S::u32s, drop: DropRow) -> [S::u32s; 4] {
    let splat = |word| simd.splat_u32s(word);
    let xor3 = |a, b, c| simd.xor_u32s(simd.xor_u32s(a, b), c);
    let mut counter = [columns, splat(drop.row), splat(drop.site), splat(drop.z)];
    let mut key = drop.key;
    for _ in 0..10 {
        let (low, low_high) = simd.widening_mul_u32s(counter[0], splat(0xD251_1F53));
        let (high, high_high) = simd.widening_mul_u32s(counter[2], splat(0xCD9E_8D57));
        counter = [
            xor3(high_high, counter[1], splat(key[0])),
            high,
            xor3(low_high, counter[3], splat(key[1])),
            low,
        ];
        key = [key[0].wrapping_add(0x9E37_79B9), key[1].wrapping_add(0xBB67_AE85)];
    }
    counter
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every column of rows of odd lengths, against one counter after the other.
    #[test]
    fn rows_match_single_counters() {
        let drop = DropRow {
            key: [0xDEAD_BEEF, 42],
            row: 7,
            site: 3,
            z: 11,
            threshold: 1 << 30,
            keep_scale: 4.0 / 3.0,
        };
        for length in [1, 4, 31, 32, 33, 67, 200] {
            let mut values = vec![3.0; length];
            drop.apply(0, &mut values);
            let mut later = vec![3.0; length];
            drop.apply(64, &mut later);
            for (column, value) in values.into_iter().chain(later).enumerate() {
                let column = if column < length { column } else { 64 + column - length };
                let counter = [column as u32 / 4, drop.row, drop.site, drop.z];
                let word = crate::random::philox(counter, drop.key)[column % 4];
                let expected = if word < drop.threshold { 0.0 } else { 3.0 * drop.keep_scale };
                assert_eq!(value, expected, "column {column} of {length}");
            }
        }
    }
}
