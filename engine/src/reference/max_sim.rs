//! Twin of `shaders/max_sim.wgsl`.

use std::ops::Range;

use rayon::prelude::*;

use super::Real;
use crate::params::max_sim::Params;

/// The position in a document of which nothing is visible.
pub const NONE: u32 = u32::MAX;

/// A block's extents and places as indices.
#[derive(Clone, Copy)]
pub(crate) struct Block<'a>(pub(crate) &'a Params);

impl Block<'_> {
    /// Query tokens that a document of the block meets.
    pub(crate) fn columns(self) -> usize {
        (self.0.queries * self.0.query_tokens) as usize
    }

    /// The batch of the block's document `place`, and its number in it.
    fn batch_and_document(self, place: usize) -> (usize, usize) {
        let Params { documents, first_batch, first_document, .. } = *self.0;
        let documents = documents as usize;
        (first_batch as usize + place / documents, first_document as usize + place % documents)
    }

    /// The number of a pair among all.
    fn pair(self, batch: usize, query: usize, document: usize) -> usize {
        let [queries, documents] = [self.0.batch_queries, self.0.batch_documents];
        (batch * queries as usize + query) * documents as usize + document
    }

    /// The tokens of the block's document `place` that are visible.
    pub(crate) fn visible(self, place: usize, mask: &[u32]) -> impl Iterator<Item = usize> {
        let (batch, document) = self.batch_and_document(place);
        let tokens = self.0.document_tokens as usize;
        let start = (batch * self.0.batch_documents as usize + document) * tokens;
        let all = self.0.has_document_mask == 0;
        (0..tokens).filter(move |j| all || mask[start + j] != 0)
    }

    /// Copies the positions found for the block to where they belong.
    pub(crate) fn keep(self, found: &[u32], positions: &mut [u32]) {
        if self.0.keeps_positions == 0 {
            return positions.copy_from_slice(found);
        }
        let tokens = self.0.query_tokens as usize;
        for (place, found) in found.chunks_exact(self.columns()).enumerate() {
            let (batch, document) = self.batch_and_document(place);
            for (query, found) in self.queries().zip(found.chunks_exact(tokens)) {
                let pair = self.pair(batch, query, document);
                positions[pair * tokens..][..tokens].copy_from_slice(found);
            }
        }
    }

    fn counts(self, token: usize, mask: &[u32]) -> bool {
        self.0.has_query_mask == 0 || mask[token] != 0
    }

    fn queries(self) -> Range<usize> {
        self.0.first_query as usize..(self.0.first_query + self.0.queries) as usize
    }

    fn documents(self) -> Range<usize> {
        self.0.first_document as usize..(self.0.first_document + self.0.documents) as usize
    }
}

/// `max_j ⟨q_mi, d_nj⟩` over the visible j and the lowest j that reaches it, 0 and [`NONE`] if there is none.
pub fn forward<T: Real>(
    params: &Params,
    (similarities, document_mask): (&[T], &[u32]),
    (maxima, positions): (&mut [T], &mut [u32]),
) {
    let block = Block(params);
    let (columns, tokens) = (block.columns(), params.document_tokens as usize);
    let mut found = vec![NONE; maxima.len()];
    maxima.fill(T::zero());
    for (place, s) in similarities.chunks_exact(tokens * columns).enumerate() {
        for j in block.visible(place, document_mask) {
            for column in 0..columns {
                let (at, value) = (place * columns + column, s[j * columns + column]);
                if found[at] == NONE || value > maxima[at] {
                    (maxima[at], found[at]) = (value, j as u32);
                }
            }
        }
    }
    block.keep(&found, positions);
}

/// `s_mn = Σ_i` of the maxima of the query tokens that count.
pub fn score<T: Real>(params: &Params, (query_mask, maxima): (&[u32], &[T]), scores: &mut [T]) {
    let block = Block(params);
    let tokens = params.query_tokens as usize;
    for (place, maxima) in maxima.chunks_exact(block.columns()).enumerate() {
        let (batch, document) = block.batch_and_document(place);
        for (query, maxima) in block.queries().zip(maxima.chunks_exact(tokens)) {
            let first = (batch * params.batch_queries as usize + query) * tokens;
            let counted = (0..tokens).filter(|i| block.counts(first + i, query_mask));
            scores[block.pair(batch, query, document)] = counted.map(|i| maxima[i]).sum::<T>();
        }
    }
}

/// `dq_mi = Σ_n ds_mn·d_n` at the position of each, added to what earlier documents left.
pub fn backward_queries<T: Real>(
    params: &Params,
    (query_mask, positions, dscores, document_vectors): (&[u32], &[u32], &[T], &[T]),
    dqueries: &mut [T],
) {
    let block = Block(params);
    let [channels, tokens, document_tokens, batch_documents, batch_queries] = [
        params.channels,
        params.query_tokens,
        params.document_tokens,
        params.batch_documents,
        params.batch_queries,
    ]
    .map(|n| n as usize);
    dqueries.par_chunks_exact_mut(channels).enumerate().for_each(|(token, dq)| {
        let query = token / tokens;
        if params.first_document == 0 {
            dq.fill(T::zero());
        }
        if !block.counts(token, query_mask) {
            return;
        }
        for n in block.documents() {
            let pair = query * batch_documents + n;
            let position = positions[pair * tokens + token % tokens];
            if position == NONE {
                continue;
            }
            let document = query / batch_queries * batch_documents + n;
            let row = document * document_tokens + position as usize;
            add_scaled(dscores[pair], &document_vectors[row * channels..][..channels], dq);
        }
    });
}

/// `dd_nj = Σ ds_mn·q_mi` over the query tokens whose position it is, added to what earlier queries left.
pub fn backward_documents<T: Real>(
    params: &Params,
    (query_mask, positions, dscores, query_vectors): (&[u32], &[u32], &[T], &[T]),
    ddocuments: &mut [T],
) {
    let block = Block(params);
    let [channels, tokens, document_tokens, batch_documents, batch_queries] = [
        params.channels,
        params.query_tokens,
        params.document_tokens,
        params.batch_documents,
        params.batch_queries,
    ]
    .map(|n| n as usize);
    let each = ddocuments.par_chunks_exact_mut(document_tokens * channels).enumerate();
    each.for_each(|(document, dd)| {
        if params.first_query == 0 {
            dd.fill(T::zero());
        }
        let batch = document / batch_documents;
        for m in block.queries() {
            let pair = block.pair(batch, m, document % batch_documents);
            for i in 0..tokens {
                let (token, at) =
                    ((batch * batch_queries + m) * tokens + i, positions[pair * tokens + i]);
                if at != NONE && block.counts(token, query_mask) {
                    let q = &query_vectors[token * channels..][..channels];
                    add_scaled(dscores[pair], q, &mut dd[at as usize * channels..][..channels]);
                }
            }
        }
    });
}

/// `y += factor·x`.
fn add_scaled<T: Real>(factor: T, x: &[T], y: &mut [T]) {
    for (y, &x) in y.iter_mut().zip(x) {
        *y += factor * x;
    }
}
