//! Twin of `shaders/attention_relative_backward.wgsl`: every weight is recomputed from L, in each of the three walks.

use super::Real;
use super::attention_relative::{Layout, Row, Score, dropout_scale};
use crate::params::attention_relative::Params as ForwardParams;
use crate::params::attention_relative_backward::{Constants, Params};

/// Packs what the walks read beside their operands: the notes of forward, u and w, L, and `Δ_i = ⟨dy_i, y_i⟩`.
pub fn backward_notes<T: Real>(
    params: &Params,
    _constants: &Constants,
    (biases, packed, y, dy, lse): (&[T], &[T], &[T], &[T], &[T]),
    repacked: &mut [T],
) {
    let params = &bytemuck::cast(*params);
    let layout = Layout::of(params);
    repacked[..layout.biases].copy_from_slice(&packed[..layout.biases]);
    repacked[layout.biases..layout.lse].copy_from_slice(biases);
    repacked[layout.lse..layout.delta].copy_from_slice(lse);
    let width = params.width as usize;
    for (at, (y, dy)) in y.chunks_exact(width).zip(dy.chunks_exact(width)).enumerate() {
        let note = note_of(params, &Row::of(params, at));
        repacked[layout.delta + note] = y.iter().zip(dy).map(|(&y, &dy)| y * dy).sum();
    }
}

/// `dq_i = Σ_j G_ij·(k_j + r)` without the segments' part, and `σ_i = Σ_j G_ij·g_ij`.
pub fn backward_queries<T: Real>(
    params: &Params,
    _constants: &Constants,
    (q, k, v, table, dy, notes): (&[T], &[T], &[T], &[T], &[T], &[T]),
    (dq, sigma): (&mut [T], &mut [T]),
) {
    dq.fill(T::zero());
    sigma.fill(T::zero());
    walk(params, (q, k, v, table, dy, notes), |pair| {
        for c in 0..params.width as usize {
            dq[pair.query + c] += pair.ds * (k[pair.key + c] + table[pair.distance + c]);
        }
        if pair.is_other {
            sigma[pair.query / params.width as usize] += pair.ds;
        }
    });
}

/// `dk_j = Σ_i G_ij·(q_i + u)` and `dv_j = Σ_i z_ij·p_ij·dy_i`.
pub fn backward_keys<T: Real>(
    params: &Params,
    _constants: &Constants,
    (q, k, v, table, dy, notes): (&[T], &[T], &[T], &[T], &[T], &[T]),
    (dk, dv): (&mut [T], &mut [T]),
) {
    dk.fill(T::zero());
    dv.fill(T::zero());
    let [u, _] = biases(params, notes);
    walk(params, (q, k, v, table, dy, notes), |pair| {
        for c in 0..params.width as usize {
            dk[pair.key + c] += pair.ds * (q[pair.query + c] + u[pair.head + c]);
            dv[pair.key + c] += pair.weight * dy[pair.query + c];
        }
    });
}

/// `dr_n = Σ_i G_in·(q_i + w)` of every item, and `Σ_n (Σ_i G_in)·r_n` of every item and 64 distances.
pub fn backward_distances<T: Real>(
    params: &Params,
    _constants: &Constants,
    (q, k, v, table, dy, notes): (&[T], &[T], &[T], &[T], &[T], &[T]),
    (dtable, dbias): (&mut [T], &mut [T]),
) {
    dtable.fill(T::zero());
    dbias.fill(T::zero());
    let [_, w] = biases(params, notes);
    let plane = (params.heads * params.width) as usize;
    let tiles = params.distances.div_ceil(64) as usize;
    walk(params, (q, k, v, table, dy, notes), |pair| {
        let n = pair.distance / plane;
        for c in 0..params.width as usize {
            let in_item = pair.item * table.len() + pair.distance + c;
            dtable[in_item] += pair.ds * (q[pair.query + c] + w[pair.head + c]);
            let in_tile = (pair.item * tiles + n / 64) * plane + pair.head + c;
            dbias[in_tile] += pair.ds * table[pair.distance + c];
        }
    });
}

/// What the three walks give: dq, σ, dk, dv, the table's gradient of each item, and the bias's.
pub fn backward<T: Real>(
    params: &Params,
    constants: &Constants,
    reads: (&[T], &[T], &[T], &[T], &[T], &[T]),
    (dq, sigma, dk, dv, dtable, dbias): (
        &mut [T],
        &mut [T],
        &mut [T],
        &mut [T],
        &mut [T],
        &mut [T],
    ),
) {
    backward_queries(params, constants, reads, (dq, sigma));
    backward_keys(params, constants, reads, (dk, dv));
    backward_distances(params, constants, reads, (dtable, dbias));
}

/// From products with distances: G in their place where a row meets a key, and 0 where it meets none; z·p, G, and σ of
/// the heads, items and queries of the dispatch.
pub fn backward_weights<T: Real>(
    params: &Params,
    _constants: &Constants,
    (q, k, v, dy, notes): (&[T], &[T], &[T], &[T], &[T]),
    (sigma, distant, weights, ds): (&mut [T], &mut [T], &mut [T], &mut [T]),
) {
    let params: &ForwardParams = &bytemuck::cast(*params);
    let [keys, distances, width] =
        [params.keys, params.some_distances, params.width].map(|n| n as usize);
    let of_dispatch = distant.len() / distances;
    let rows = (0..q.len() / width).map(|at| Row::of(params, at));
    for row in rows.filter(|row| row.is_of_dispatch(params, of_dispatch)) {
        let (number, note) = (row.number(params), note_of(params, &row));
        let (start, first) = row.in_distant(params);
        let u = &notes[Layout::of(params).biases..];
        let scores = row.scores_from(params, (q, k, u, notes), distant);
        distant[start..][..distances].fill(T::zero());
        weights[number * keys..][..keys].fill(T::zero());
        ds[number * keys..][..keys].fill(T::zero());
        let mut sum = T::zero();
        for score in scores {
            let pair = differentiate(params, &row, note, &score, (v, dy, notes));
            weights[number * keys + score.j] = pair.weight;
            ds[number * keys + score.j] = pair.ds;
            distant[start + row.distance(params, notes, score.j) - first] = pair.ds;
            if score.is_other {
                sum += pair.ds;
            }
        }
        sigma[row.query * params.heads as usize + row.head] = sum;
    }
}

/// u and w, [A, D] each.
fn biases<'a, T: Real>(params: &Params, notes: &'a [T]) -> [&'a [T]; 2] {
    let layout = Layout::of(&bytemuck::cast(*params));
    let both = &notes[layout.biases..layout.lse];
    both.split_at(both.len() / 2).into()
}

/// Number of a row in `[B, A, T]`.
fn note_of(params: &ForwardParams, row: &Row) -> usize {
    let [queries, heads] = [params.queries, params.heads].map(|n| n as usize);
    (row.item * heads + row.head) * queries + row.i
}

/// A query and a key that it sees.
struct Pair<T> {
    item: usize,
    /// Where the head's channels begin in u and w.
    head: usize,
    /// Where the query's channels begin in q, dy and dq.
    query: usize,
    /// Where the key's channels begin in k, v, dk and dv.
    key: usize,
    /// Where those of their distance begin in the table.
    distance: usize,
    /// z·p.
    weight: T,
    /// G.
    ds: T,
    /// g.
    is_other: bool,
}

/// Calls `each` for every visible pair, queries outermost.
fn walk<T: Real>(
    params: &Params,
    (q, k, v, table, dy, notes): (&[T], &[T], &[T], &[T], &[T], &[T]),
    mut each: impl FnMut(Pair<T>),
) {
    let params = &bytemuck::cast(*params);
    let layout = Layout::of(params);
    let biases = &notes[layout.biases..layout.lse];
    for at in 0..q.len() / params.width as usize {
        let row = Row::of(params, at);
        let note = note_of(params, &row);
        for score in row.scores(params, (q, k, table, biases), notes) {
            each(differentiate(params, &row, note, &score, (v, dy, notes)));
        }
    }
}

/// What a row and a key that it sees give.
fn differentiate<T: Real>(
    params: &ForwardParams,
    row: &Row,
    note: usize,
    score: &Score<T>,
    (v, dy, notes): (&[T], &[T], &[T]),
) -> Pair<T> {
    let layout = Layout::of(params);
    let width = params.width as usize;
    let (lse, delta) = (notes[layout.lse + note], notes[layout.delta + note]);
    let key = row.key(params, score.j);
    let p = (score.value - lse).exp();
    let z = T::of(dropout_scale(params, notes, row, score.j));
    let dy = dy[row.start..].iter().take(width);
    let dp = z * dy.zip(&v[key..]).map(|(&dy, &v)| dy * v).sum::<T>();
    Pair {
        item: row.item,
        head: row.head * width,
        query: row.start,
        key,
        distance: row.in_table(params, row.distance(params, notes, score.j)),
        weight: z * p,
        ds: T::of(params.scale.into()) * p * (dp - delta),
        is_other: score.is_other,
    }
}
