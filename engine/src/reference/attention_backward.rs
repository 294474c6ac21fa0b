//! Twin of `shaders/attention_backward.wgsl`: every weight is recomputed from L, in each of the two walks.

use super::Real;
use crate::params::attention_backward::{Constants, Params};
use crate::random::philox;

/// Writes what the walks read beside q, k, v and dy: the key, the lengths, L, `Δ_i = ⟨dy_i, y_i⟩`, and the bits.
pub fn backward_rows<T: Real>(
    params: &Params,
    _constants: &Constants,
    (y, dy, lse, lengths, bits, key): (&[T], &[T], &[T], &[u32], &[u32], &[u32]),
    notes: &mut [T],
) {
    let layout = Layout::of(params);
    let (queries, heads) = (params.queries as usize, params.heads as usize);
    let width = params.width as usize;
    let halves = |words: &[u32], notes: &mut [T]| {
        for (note, word) in notes.chunks_exact_mut(2).zip(words) {
            note[0] = T::of(f64::from(word & 0xFFFF));
            note[1] = T::of(f64::from(word >> 16));
        }
    };
    halves(&key[..2], &mut notes[..4]);
    for item in 0..params.batch as usize {
        let length = if params.has_lengths != 0 { lengths[item] } else { params.keys };
        notes[4 + item] = T::of(length.into());
    }
    notes[layout.lse..layout.delta].copy_from_slice(&lse[..layout.delta - layout.lse]);
    for (row, delta) in notes[layout.delta..layout.bits].iter_mut().enumerate() {
        let (item, head, i) = (row / queries / heads, row / queries % heads, row % queries);
        let start = ((item * queries + i) * heads + head) * width;
        *delta = (start..start + width).map(|c| dy[c] * y[c]).sum();
    }
    if params.has_bits != 0 {
        halves(bits, &mut notes[layout.bits..]);
    }
}

/// `dq_i = scale·Σ_j ds_ij·k_j` with `ds_ij = p_ij·(z_ij·⟨dy_i, v_j⟩ − Δ_i)`.
pub fn backward_queries<T: Real>(
    params: &Params,
    _constants: &Constants,
    (q, k, v, dy, notes): (&[T], &[T], &[T], &[T], &[T]),
    dq: &mut [T],
) {
    dq.fill(T::zero());
    walk(params, (q, k, v, dy, notes), |pair| {
        for c in 0..params.width as usize {
            dq[pair.query + c] += T::of(params.scale.into()) * pair.ds * k[pair.key + c];
        }
    });
}

/// `dk_j = scale·Σ_i ds_ij·q_i` and `dv_j = Σ_i z_ij·p_ij·dy_i`.
pub fn backward_keys<T: Real>(
    params: &Params,
    _constants: &Constants,
    (q, k, v, dy, notes): (&[T], &[T], &[T], &[T], &[T]),
    (dk, dv): (&mut [T], &mut [T]),
) {
    dk.fill(T::zero());
    dv.fill(T::zero());
    walk(params, (q, k, v, dy, notes), |pair| {
        for c in 0..params.width as usize {
            dk[pair.key + c] += T::of(params.scale.into()) * pair.ds * q[pair.query + c];
            dv[pair.key + c] += pair.weight * dy[pair.query + c];
        }
    });
}

/// Where the parts of `notes` begin; `lse` and `delta` are `[B, A, T]`, `bits` is `[B, T, ⌈S/32⌉, 2]`.
struct Layout {
    lse: usize,
    delta: usize,
    bits: usize,
}

impl Layout {
    fn of(params: &Params) -> Self {
        let rows = params.batch as usize * params.heads as usize * params.queries as usize;
        let lse = 4 + params.batch as usize;
        Self { lse, delta: lse + rows, bits: lse + 2 * rows }
    }
}

/// A query and a key that it sees.
struct Pair<T> {
    /// Where the query's channels begin in q, dy and dq.
    query: usize,
    /// Where the key's channels begin in k, v, dk and dv.
    key: usize,
    /// z·p.
    weight: T,
    /// p·(z·⟨dy, v⟩ − Δ).
    ds: T,
}

/// Calls `each` for every visible pair, queries outermost.
fn walk<T: Real>(
    params: &Params,
    (q, k, v, dy, notes): (&[T], &[T], &[T], &[T], &[T]),
    mut each: impl FnMut(Pair<T>),
) {
    let [batch, queries, keys, heads, width] =
        [params.batch, params.queries, params.keys, params.heads, params.width].map(|n| n as usize);
    let layout = Layout::of(params);
    let dot = |a: &[T], b: &[T]| a.iter().zip(b).map(|(&a, &b)| a * b).sum::<T>();
    for item in 0..batch {
        for head in 0..heads {
            for i in 0..queries {
                let row = (item * heads + head) * queries + i;
                let (lse, delta) = (notes[layout.lse + row], notes[layout.delta + row]);
                let query = ((item * queries + i) * heads + head) * width;
                for j in (0..keys).filter(|&j| sees(params, notes, item, i, j)) {
                    let key = ((item * keys + j) * heads + head) * width;
                    let score = dot(&q[query..][..width], &k[key..][..width]);
                    let p = (T::of(params.scale.into()) * score - lse).exp();
                    let z = T::of(dropout_scale(params, notes, item, head, i, j));
                    let dp = z * dot(&dy[query..][..width], &v[key..][..width]);
                    each(Pair { query, key, weight: z * p, ds: p * (dp - delta) });
                }
            }
        }
    }
}

/// Whether length, causality and bits all leave column `j` to row `i`.
fn sees<T: Real>(params: &Params, notes: &[T], item: usize, i: usize, j: usize) -> bool {
    let (queries, keys) = (params.queries as usize, params.keys as usize);
    let half = || {
        let row = (item * queries + i) * keys.div_ceil(32) * 2;
        notes[Layout::of(params).bits + row + j / 16].f64() as u32
    };
    j < notes[4 + item].f64() as usize
        && (params.causal == 0 || j + queries <= i + keys)
        && (params.has_bits == 0 || half() >> (j % 16) & 1 == 1)
}

/// 0 where the weight of row `i` at column `j` is dropped, 1/(1 − probability) where it is kept.
fn dropout_scale<T: Real>(
    params: &Params,
    notes: &[T],
    item: usize,
    head: usize,
    i: usize,
    j: usize,
) -> f64 {
    if params.threshold == 0 {
        return 1.0;
    }
    let half = |at: usize| notes[at].f64() as u32;
    let key = [half(0) | half(1) << 16, half(2) | half(3) << 16];
    let row = item as u32 * params.queries + i as u32 + params.first_row;
    let words = philox([j as u32 / 4, row, params.site, head as u32], key);
    if words[j % 4] < params.threshold { 0.0 } else { params.keep_scale.into() }
}
