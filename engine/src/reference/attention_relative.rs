//! Twin of `shaders/attention_relative.wgsl`: one query of one head after the other.

use rayon::prelude::*;

use super::Real;
use crate::params::attention_relative::{Constants, Params};
use crate::random::philox;

/// Packs what every kernel reads beside its operands: the key, how many columns each row sees and its first distance, the bits
/// of what it sees and of what is of other segments, and e.
pub fn forward_notes<T: Real>(
    params: &Params,
    _constants: &Constants,
    (lengths, bits, places, query_segments, key_segments, slopes, key): (
        &[u32],
        &[u32],
        &[u32],
        &[u32],
        &[u32],
        &[T],
        &[u32],
    ),
    packed: &mut [T],
) {
    let layout = Layout::of(params);
    let [queries, keys] = [params.queries, params.keys].map(|n| n as usize);
    let words = keys.div_ceil(32);
    let halves = |word: u32| [word & 0xFFFF, word >> 16].map(|half| T::of(half.into()));
    for (note, &word) in packed[..layout.rows].chunks_exact_mut(2).zip(key) {
        note.copy_from_slice(&halves(word));
    }
    let (head, slope_notes) = packed.split_at_mut(layout.slopes);
    let (head, bit_notes) = head.split_at_mut(layout.bits);
    let tokens = params.distances - params.keys;
    let rows = head[layout.rows..].par_chunks_exact_mut(2);
    rows.zip(bit_notes.par_chunks_exact_mut(4 * words)).enumerate().for_each(
        |(query, (row, notes))| {
            let (item, i) = (query / queries, query % queries);
            let place = if params.has_places == 0 { i as u32 } else { places[query] };
            let distance = tokens - place.min(tokens);
            let mut seen = params.keys;
            if params.has_lengths != 0 {
                seen = seen.min(lengths[item]);
            }
            if params.causal != 0 {
                seen = seen.min((params.keys + 1).saturating_sub(distance));
            }
            row.copy_from_slice(&[seen, distance].map(|n| T::of(n.into())));
            for (word, notes) in notes.chunks_exact_mut(4).enumerate() {
                let columns = 32 * word..keys.min(32 * word + 32);
                let bits = if params.has_bits == 0 { u32::MAX } else { bits[query * words + word] };
                let word_of = |is_set: &dyn Fn(usize) -> bool| {
                    let set = columns.clone().filter(|&j| is_set(j));
                    set.map(|j| 1 << (j % 32)).sum::<u32>()
                };
                let seen = bits & word_of(&|j| j < seen as usize);
                let segments = (params.has_segments != 0)
                    .then(|| (query_segments[query], &key_segments[item * keys..]));
                let other = segments.map_or(0, |(own, of_keys)| word_of(&|j| of_keys[j] != own));
                notes[..2].copy_from_slice(&halves(seen));
                notes[2..].copy_from_slice(&halves(other));
            }
        },
    );
    let slope_notes = &mut slope_notes[..layout.biases - layout.slopes];
    if params.has_segments == 0 {
        slope_notes.fill(T::zero());
    } else {
        slope_notes.copy_from_slice(slopes);
    }
}

/// `y = (z ⊙ softmax(s))·v`, and the log-sum-exp of every row.
pub fn forward<T: Real>(
    params: &Params,
    _constants: &Constants,
    (q, k, v, table, biases, notes): (&[T], &[T], &[T], &[T], &[T], &[T]),
    (y, lse): (&mut [T], &mut [T]),
) {
    let scores = |row: &Row| row.scores(params, (q, k, table, biases), notes);
    mix(params, (v, notes), |_| true, scores, (y, lse));
}

/// The same for the heads, items and queries of a dispatch, from products with all distances that they meet.
pub fn forward_distant<T: Real>(
    params: &Params,
    _constants: &Constants,
    (q, k, v, biases, notes, distant): (&[T], &[T], &[T], &[T], &[T], &[T]),
    (y, lse): (&mut [T], &mut [T]),
) {
    let rows = distant.len() / params.some_distances as usize;
    let scores = |row: &Row| row.scores_from(params, (q, k, biases, notes), distant);
    mix(params, (v, notes), |row| row.is_of_dispatch(params, rows), scores, (y, lse));
}

/// Softmax and mixture of every row that the dispatch has.
fn mix<T: Real>(
    params: &Params,
    (v, notes): (&[T], &[T]),
    is_of_dispatch: impl Fn(&Row) -> bool + Sync,
    scores: impl Fn(&Row) -> Vec<Score<T>> + Sync,
    (y, lse): (&mut [T], &mut [T]),
) {
    let [queries, heads, width] = [params.queries, params.heads, params.width].map(|n| n as usize);
    let rows = y.par_chunks_exact_mut(width).enumerate().map(|(at, y)| {
        let row = Row::of(params, at);
        if !is_of_dispatch(&row) {
            return None;
        }
        let scores = scores(&row);
        let peak = scores.iter().map(|s| s.value).fold(T::of(-1e30), T::max);
        let total: T = scores.iter().map(|s| (s.value - peak).exp()).sum();
        y.fill(T::zero());
        for score in &scores {
            let p = (score.value - peak).exp() / total;
            let weight = T::of(dropout_scale(params, notes, &row, score.j)) * p;
            let v = &v[row.key(params, score.j)..][..width];
            y.iter_mut().zip(v).for_each(|(y, &v)| *y += weight * v);
        }
        Some(if scores.is_empty() { T::of(1e30) } else { peak + total.ln() })
    });
    let rows: Vec<Option<T>> = rows.collect();
    for (at, log_sum) in rows.into_iter().enumerate() {
        let (query, head) = (at / heads, at % heads);
        if let Some(log_sum) = log_sum {
            lse[(query / queries * heads + head) * queries + query % queries] = log_sum;
        }
    }
}

/// Where the parts of `notes` begin.
pub(crate) struct Layout {
    /// `[B, T, 2]`: columns seen by length and causality, and the distance of column 0.
    pub rows: usize,
    /// `[B, T, ⌈S/32⌉, 4]`: halves of the words of what is seen and of what is of other segments.
    pub bits: usize,
    /// `[B, T, A]`: e.
    pub slopes: usize,
    /// `[2, A, D]`: u and w. The notes of forward end here.
    pub biases: usize,
    /// `[B, A, T]`: L.
    pub lse: usize,
    /// `[B, A, T]`: Δ.
    pub delta: usize,
}

impl Layout {
    pub fn of(params: &Params) -> Self {
        let [batch, queries, keys, heads, width] =
            [params.batch, params.queries, params.keys, params.heads, params.width]
                .map(|n| n as usize);
        let tokens = batch * queries;
        let rows = 4;
        let bits = rows + 2 * tokens;
        let slopes = bits + 4 * tokens * keys.div_ceil(32);
        let biases = slopes + tokens * heads;
        let lse = biases + 2 * heads * width;
        Self { rows, bits, slopes, biases, lse, delta: lse + tokens * heads }
    }
}

/// A query of one head.
pub(crate) struct Row {
    pub item: usize,
    pub i: usize,
    /// Its number among those of all items.
    pub query: usize,
    pub head: usize,
    /// Where its channels begin in q, y, dy and dq.
    pub start: usize,
}

/// What a row's score at a column that it sees is.
pub(crate) struct Score<T> {
    pub j: usize,
    /// s.
    pub value: T,
    /// g.
    pub is_other: bool,
}

impl Row {
    /// Row `at` of `[B, T, A]`.
    pub fn of(params: &Params, at: usize) -> Self {
        let [queries, heads, width] =
            [params.queries, params.heads, params.width].map(|n| n as usize);
        let query = at / heads;
        let (item, i) = (query / queries, query % queries);
        Self { item, i, query, head: at % heads, start: at * width }
    }

    /// Where the channels of key `j` begin in k, v, dk and dv.
    pub fn key(&self, params: &Params, j: usize) -> usize {
        let [keys, heads, width] = [params.keys, params.heads, params.width].map(|n| n as usize);
        ((self.item * keys + j) * heads + self.head) * width
    }

    /// Number of the distance that the row meets at column `j`.
    pub fn distance<T: Real>(&self, params: &Params, notes: &[T], j: usize) -> usize {
        notes[Layout::of(params).rows + 2 * self.query + 1].f64() as usize + j
    }

    /// Where the channels of distance `n` begin in the table.
    pub fn in_table(&self, params: &Params, n: usize) -> usize {
        (n * params.heads as usize + self.head) * params.width as usize
    }

    /// Whether a dispatch of so many `rows` does this one.
    pub fn is_of_dispatch(&self, params: &Params, rows: usize) -> bool {
        let items = params.first_item..params.first_item + params.some_items;
        let queries = params.first_query..params.first_query + params.some_queries;
        items.contains(&(self.item as u32))
            && queries.contains(&(self.i as u32))
            && self.head >= params.first_head as usize
            && self.pair(params) < rows / params.some_queries as usize
    }

    /// Number of its head's item in the dispatch.
    fn pair(&self, params: &Params) -> usize {
        let [first_head, first_item, items] =
            [params.first_head, params.first_item, params.some_items].map(|n| n as usize);
        (self.head - first_head) * items + self.item - first_item
    }

    /// Number of the row in `[.., T]`, which has rows for all queries of the dispatch's heads and items.
    pub fn number(&self, params: &Params) -> usize {
        self.pair(params) * params.queries as usize + self.i
    }

    /// Where the row begins in `[.., U, N]`, and number of the distance that stands there.
    pub fn in_distant(&self, params: &Params) -> (usize, usize) {
        let [first_query, queries, first_distance, distances] =
            [params.first_query, params.some_queries, params.first_distance, params.some_distances]
                .map(|n| n as usize);
        ((self.pair(params) * queries + self.i - first_query) * distances, first_distance)
    }

    /// Every score of a column that the row sees.
    pub fn scores<T: Real>(
        &self,
        params: &Params,
        (q, k, table, biases): (&[T], &[T], &[T], &[T]),
        notes: &[T],
    ) -> Vec<Score<T>> {
        let w = &biases[biases.len() / 2..];
        self.scores_by(params, (q, k, biases, notes), |n| {
            self.product(params, (q, w), &table[self.in_table(params, n)..])
        })
    }

    /// The same from products with distances, `[.., U, N]` of a dispatch.
    pub fn scores_from<T: Real>(
        &self,
        params: &Params,
        reads: (&[T], &[T], &[T], &[T]),
        distant: &[T],
    ) -> Vec<Score<T>> {
        let (start, first) = self.in_distant(params);
        self.scores_by(params, reads, |n| distant[start + n - first])
    }

    /// ⟨q + bias, x⟩.
    fn product<T: Real>(&self, params: &Params, (q, bias): (&[T], &[T]), x: &[T]) -> T {
        let width = params.width as usize;
        let rows = q[self.start..].iter().zip(&bias[self.head * width..]).zip(x).take(width);
        rows.map(|((&q, &bias), &x)| (q + bias) * x).sum()
    }

    fn scores_by<T: Real>(
        &self,
        params: &Params,
        (q, k, biases, notes): (&[T], &[T], &[T], &[T]),
        by_distance: impl Fn(usize) -> T,
    ) -> Vec<Score<T>> {
        let layout = Layout::of(params);
        let [keys, heads] = [params.keys, params.heads].map(|n| n as usize);
        let words = keys.div_ceil(32);
        let is_set = |kind: usize, j: usize| {
            let half = layout.bits + 4 * (self.query * words + j / 32) + kind + j / 16 % 2;
            notes[half].f64() as u32 >> (j % 16) & 1 == 1
        };
        let score = |j: usize| {
            let mut sum = self.product(params, (q, biases), &k[self.key(params, j)..]);
            sum += by_distance(self.distance(params, notes, j));
            let is_other = is_set(2, j);
            if is_other {
                sum += notes[layout.slopes + self.query * heads + self.head];
            }
            Score { j, value: T::of(params.scale.into()) * sum, is_other }
        };
        (0..keys).filter(|&j| is_set(0, j)).map(score).collect()
    }
}

/// 0 where the weight of the row at column `j` is dropped, 1/(1 − probability) where it is kept.
pub(crate) fn dropout_scale<T: Real>(params: &Params, notes: &[T], row: &Row, j: usize) -> f64 {
    if params.threshold == 0 {
        return 1.0;
    }
    let half = |at: usize| notes[at].f64() as u32;
    let key = [half(0) | half(1) << 16, half(2) | half(3) << 16];
    let number = row.query as u32 + params.first_row;
    let words = philox([j as u32 / 4, number, params.site, row.head as u32], key);
    if words[j % 4] < params.threshold { 0.0 } else { params.keep_scale.into() }
}
