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

/// `zeros = 0`.
pub fn clear<T: Real>(_: &Params, (): (), zeros: &mut [T]) {
    zeros.par_chunks_mut(1 << 15).for_each(|zeros| zeros.fill(T::zero()));
}

/// `dtable[v]` = the sum of the rows of its segment, or of its pieces; rows without a segment stay as they are.
pub fn backward<T: Real>(
    params: &Params,
    (dy, positions, segments, piece_sums): (&[T], &[u32], &[u32], &[T]),
    dtable: &mut [T],
) {
    let (segments, _) = segments.as_chunks::<4>();
    // Segments stand in the order of their ids, so one walk over the table meets them all.
    let mut rows = dtable.chunks_mut(params.channels as usize).enumerate();
    let owned = segments.iter().take_while(|segment| segment[0] != NONE).map(|segment| {
        let row = rows.find(|(id, _)| *id == segment[0] as usize);
        (segment, row.expect("ids are below the number of rows").1)
    });
    owned.collect::<Vec<_>>().into_par_iter().for_each(|(&[_, first, last, piece], sum)| {
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
