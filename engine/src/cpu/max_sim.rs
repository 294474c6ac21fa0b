//! Fast f32 path of `shaders/max_sim.wgsl`: documents in parallel, the maxima of some columns in registers.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use crate::params::max_sim::Params;
use crate::reference::max_sim::{Block, NONE};

/// Columns whose maxima and positions stay in registers, two of AVX2 each; with twice as many they do not.
const COLUMNS: usize = 16;

/// `max_j ⟨q_mi, d_nj⟩` over the visible j and the lowest j that reaches it, 0 and [`NONE`] if there is none.
pub fn forward(
    params: &Params,
    (similarities, document_mask): (&[f32], &[u32]),
    (maxima, positions): (&mut [f32], &mut [u32]),
) {
    let block = Block(params);
    let columns = block.columns();
    let mut found = vec![NONE; maxima.len()];
    let documents = similarities.par_chunks_exact(params.document_tokens as usize * columns);
    let results = maxima.par_chunks_exact_mut(columns).zip(found.par_chunks_exact_mut(columns));
    documents.zip(results).enumerate().for_each(|(place, (rows, (maxima, positions)))| {
        let visible: Vec<usize> = block.visible(place, document_mask).collect();
        Arch::new().dispatch(Best { rows, visible: &visible, maxima, positions });
    });
    block.keep(&found, positions);
}

/// The largest value of each column over the visible rows of one document.
struct Best<'a> {
    rows: &'a [f32],
    visible: &'a [usize],
    maxima: &'a mut [f32],
    positions: &'a mut [u32],
}

impl WithSimd for Best<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let columns = self.maxima.len();
        let Some((&first, others)) = self.visible.split_first() else {
            self.positions.fill(NONE);
            return self.maxima.fill(0.0);
        };
        let row = |j: usize| &self.rows[j * columns..][..columns];
        let (maxima, rest) = self.maxima.as_chunks_mut::<COLUMNS>();
        let (positions, rest_positions) = self.positions.as_chunks_mut::<COLUMNS>();
        for (at, (maxima, positions)) in maxima.iter_mut().zip(positions).enumerate() {
            let block = |j: usize| &row(j).as_chunks::<COLUMNS>().0[at];
            let (mut best, mut found) = (*block(first), [first as u32; COLUMNS]);
            for &j in others {
                let better = block(j).iter().zip(best.iter_mut().zip(found.iter_mut()));
                better.for_each(|(&value, best)| replace_if_larger(best, value, j));
            }
            (*maxima, *positions) = (best, found);
        }
        let start = columns - rest.len();
        rest.copy_from_slice(&row(first)[start..]);
        rest_positions.fill(first as u32);
        for &j in others {
            let better = row(j)[start..].iter().zip(rest.iter_mut().zip(rest_positions.iter_mut()));
            better.for_each(|(&value, best)| replace_if_larger(best, value, j));
        }
    }
}

/// Without a branch, so that loops over it become vector instructions.
#[inline(always)]
fn replace_if_larger((largest, position): (&mut f32, &mut u32), value: f32, j: usize) {
    let wins = value > *largest;
    *largest = if wins { value } else { *largest };
    *position = if wins { j as u32 } else { *position };
}
