//! Fast f32 path of `shaders/top_k.wgsl`: one comparison per score, and a selection whenever enough have passed.

use rayon::prelude::*;

use crate::params::top_k::Params;

/// Candidates gathered before the list is cut back to k: large enough to make selections rare.
const SLACK: usize = 1024;

/// The k largest of each row, best first: ties to the lower column, NaN last.
pub fn forward(params: &Params, scores: &[f32], (values, indices): (&mut [f32], &mut [u32])) {
    let (columns, k) = (params.columns as usize, params.k as usize);
    let results = values.par_chunks_exact_mut(k).zip(indices.par_chunks_exact_mut(k));
    scores.par_chunks_exact(columns).zip(results).for_each(|(scores, (values, indices))| {
        let best = best_of(scores, k);
        for ((rank, value), index) in best.into_iter().zip(values).zip(indices) {
            *index = !(rank as u32);
            *value = scores[*index as usize];
        }
    });
}

/// The k highest ranks of a row, best first.
fn best_of(scores: &[f32], k: usize) -> Vec<u64> {
    let mut ranks: Vec<u64> = Vec::with_capacity(k + SLACK);
    let mut lowest = 0; // no rank below it can be among the best
    for (column, &score) in scores.iter().enumerate() {
        let rank = rank_of(score, column);
        if rank > lowest {
            ranks.push(rank);
            if ranks.len() == k + SLACK {
                ranks.select_nth_unstable_by(k - 1, |a, b| b.cmp(a));
                ranks.truncate(k);
                lowest = ranks[k - 1];
            }
        }
    }
    ranks.sort_unstable_by(|a, b| b.cmp(a));
    ranks.truncate(k);
    ranks
}

/// An integer that grows with the rank of `score` at `column`, as in the shader; never 0.
fn rank_of(score: f32, column: usize) -> u64 {
    let bits = score.to_bits();
    let magnitude = bits & 0x7FFF_FFFF;
    let key = if magnitude > 0x7F80_0000 {
        0 // NaN
    } else if bits < 0x8000_0000 || magnitude == 0 {
        magnitude | 0x8000_0000
    } else {
        !bits
    };
    u64::from(key) << 32 | u64::from(!(column as u32))
}
