//! What attention's backward notes beside its operands, on the CPU; its two walks are one in [`super::attention_backward_fused`].

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use crate::params::attention_backward::{Constants, Params};
use crate::reference::attention_backward as twin;

/// As the twin, with `Δ_i = ⟨dy_i, y_i⟩` of every item and head in parallel.
pub fn backward_rows(
    params: &Params,
    constants: &Constants,
    (y, dy, lse, lengths, bits, key): (&[f32], &[f32], &[f32], &[u32], &[u32], &[u32]),
    notes: &mut [f32],
) {
    // The twin writes everything when told that heads have no channels, and Δ = 0.
    let without_products = Params { width: 0, ..*params };
    twin::backward_rows(&without_products, constants, (y, dy, lse, lengths, bits, key), notes);
    let [batch, queries, heads, width] =
        [params.batch, params.queries, params.heads, params.width].map(|n| n as usize);
    let rows = batch * heads * queries;
    let delta = &mut notes[4 + batch + rows..][..rows];
    delta.par_chunks_mut(queries).enumerate().for_each(|(part, delta)| {
        let first = (part / heads * queries * heads + part % heads) * width;
        let (y, dy) = (&y[first..], &dy[first..]);
        Arch::new().dispatch(Deltas { y, dy, width, stride: heads * width, delta });
    });
}

/// ⟨dy, y⟩ of one item and head: rows of `width` channels, `stride` apart.
pub(super) struct Deltas<'a> {
    pub(super) y: &'a [f32],
    pub(super) dy: &'a [f32],
    pub(super) width: usize,
    pub(super) stride: usize,
    pub(super) delta: &'a mut [f32],
}

impl WithSimd for Deltas<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for (i, delta) in self.delta.iter_mut().enumerate() {
            let start = i * self.stride;
            let (y, dy) = (&self.y[start..][..self.width], &self.dy[start..][..self.width]);
            // Eight sums side by side fill a register; the order depends on the width alone.
            let mut sums = [0.0; 8];
            for (y, dy) in y.chunks(8).zip(dy.chunks(8)) {
                for ((sum, y), dy) in sums.iter_mut().zip(y).zip(dy) {
                    *sum += y * dy;
                }
            }
            *delta = sums.iter().sum();
        }
    }
}
