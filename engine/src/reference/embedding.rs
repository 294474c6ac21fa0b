//! Twin of `shaders/embedding.wgsl`: rows of a table, and their gradients by a sorted index.

use rayon::prelude::*;

use super::Real;
use crate::params::embedding::Params;

/// Marks a segment whose rows are added directly, and the end of the segments.
const NONE: u32 = u32::MAX;

/// `y[n] = table[ids[n]]`.
pub fn forward<T: Real>(params: &Params, (table, ids): (&[T], &[u32]), y: &mut [T]) {
    let channels = params.channels as usize;
    y.par_chunks_mut(channels)
        .zip(ids)
        .for_each(|(y, &id)| y.copy_from_slice(&table[id as usize * channels..][..channels]));
}

/// `partials[p] = Σ dy[positions[i]]` over piece p.
pub fn backward_pieces<T: Real>(
    params: &Params,
    (dy, positions, pieces): (&[T], &[u32], &[u32]),
    partials: &mut [T],
) {
    let sums = partials.par_chunks_mut(params.channels as usize).zip(pieces.par_chunks(2));
    sums.for_each(|(sum, piece)| {
        let rows = &positions[piece[0] as usize..piece[1] as usize];
        add_rows(dy, rows.iter().map(|&row| row as usize), sum);
    });
}

/// `dtable[v]` = the sum of the rows of its segment, or of its pieces, or 0.
pub fn backward<T: Real>(
    params: &Params,
    (dy, positions, segments, piece_sums): (&[T], &[u32], &[u32], &[T]),
    dtable: &mut [T],
) {
    let (segments, _) = segments.as_chunks::<4>();
    dtable.par_chunks_mut(params.channels as usize).enumerate().for_each(|(id, sum)| {
        let found = segments.binary_search_by_key(&(id as u32), |segment| segment[0]);
        let [_, first, last, piece] = found.map_or([0, 0, 0, NONE], |at| segments[at]);
        if piece == NONE {
            let rows = &positions[first as usize..last as usize];
            add_rows(dy, rows.iter().map(|&row| row as usize), sum);
        } else {
            let pieces = piece..piece + (last - first).div_ceil(params.piece);
            add_rows(piece_sums, pieces.map(|piece| piece as usize), sum);
        }
    });
}

/// `sum = Σ values[row]`, in order.
fn add_rows<T: Real>(values: &[T], rows: impl Iterator<Item = usize>, sum: &mut [T]) {
    let channels = sum.len();
    sum.fill(T::zero());
    for row in rows {
        for (sum, value) in sum.iter_mut().zip(&values[row * channels..][..channels]) {
            *sum += *value;
        }
    }
}
