//! Twin of `shaders/attention.wgsl`: softmax over the visible columns, one row after the other.

use super::Real;
use crate::params::attention::{Constants, Params};
use crate::random::philox;

/// `y_i = Σ_j z_ij·p_ij·v_j` with `p` the softmax of `scale·⟨q_i, k_j⟩` over the visible `j`; keeps `L_i = log Σ_j exp(s_ij)`.
pub fn forward<T: Real>(
    params: &Params,
    _constants: &Constants,
    (q, k, v, lengths, bits, key): (&[T], &[T], &[T], &[u32], &[u32], &[u32]),
    (y, lse): (&mut [T], &mut [T]),
) {
    let [batch, queries, keys, heads, width] =
        [params.batch, params.queries, params.keys, params.heads, params.width].map(|n| n as usize);
    let mask = Mask { params, lengths, bits };
    for item in 0..batch {
        for head in 0..heads {
            for i in 0..queries {
                let query = ((item * queries + i) * heads + head) * width;
                let of_key = |j: usize| ((item * keys + j) * heads + head) * width;
                let visible: Vec<usize> = (0..keys).filter(|&j| mask.sees(item, i, j)).collect();
                let score = |&j: &usize| {
                    let products = (0..width).map(|c| q[query + c] * k[of_key(j) + c]);
                    T::of(params.scale.into()) * products.sum()
                };
                let scores: Vec<T> = visible.iter().map(score).collect();
                let row = &mut y[query..][..width];
                row.fill(T::zero());
                let Some(peak) = scores.iter().copied().reduce(T::max) else {
                    lse[(item * heads + head) * queries + i] = T::of(1e30);
                    continue;
                };
                let total = scores.iter().map(|&s| (s - peak).exp()).sum::<T>();
                for (&s, &j) in scores.iter().zip(&visible) {
                    let p = (s - peak).exp() / total;
                    let z = dropout_scale(params, [key[0], key[1]], item, head, i, j);
                    for (c, y) in row.iter_mut().enumerate() {
                        *y += T::of(z) * p * v[of_key(j) + c];
                    }
                }
                lse[(item * heads + head) * queries + i] = peak + total.ln();
            }
        }
    }
}

/// Which columns a row sees: those that length, causality and bits all leave to it.
struct Mask<'a> {
    params: &'a Params,
    lengths: &'a [u32],
    bits: &'a [u32],
}

impl Mask<'_> {
    fn sees(&self, item: usize, i: usize, j: usize) -> bool {
        let Params { queries, keys, causal, has_lengths, has_bits, .. } = *self.params;
        let word = || (item * queries as usize + i) * keys.div_ceil(32) as usize + j / 32;
        (has_lengths == 0 || j < self.lengths[item] as usize)
            && (causal == 0 || j + queries as usize <= i + keys as usize)
            && (has_bits == 0 || self.bits[word()] >> (j % 32) & 1 == 1)
    }
}

/// 0 where the weight of row `i` at column `j` is dropped, 1/(1 − probability) where it is kept.
fn dropout_scale(
    params: &Params,
    key: [u32; 2],
    item: usize,
    head: usize,
    i: usize,
    j: usize,
) -> f64 {
    if params.threshold == 0 {
        return 1.0;
    }
    let row = item as u32 * params.queries + i as u32 + params.first_row;
    let words = philox([j as u32 / 4, row, params.site, head as u32], key);
    if words[j % 4] < params.threshold { 0.0 } else { params.keep_scale.into() }
}
