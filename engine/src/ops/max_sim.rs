//! Late interaction: how well each token of a query is met by a document, added up.

use super::product::{Finish, Product};
use crate::device::{Buffer, Device, Launch};
use crate::kernels::max_sim::{BackwardDocuments, BackwardQueries, Forward, Params, Score};
use crate::tensor::{Backward, Tensor};

/// Which queries meet which documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pairs {
    /// Every query meets every document.
    All,
    /// G documents belong to each query, query-major: document n to query n / G.
    Groups,
}

/// What [`max_sim`] is told besides its vectors.
#[derive(Clone, Copy, Debug)]
pub struct MaxSim<'a> {
    /// Which scores are wanted.
    pub pairs: Pairs,
    /// u32 `[M, S]`, 0 where a query token adds nothing. Without it all count, as ColBERT has it, whose queries are
    /// filled up with `[MASK]`.
    pub query_mask: Option<&'a Tensor>,
    /// u32 `[N, T]`, 0 where a document token cannot be chosen: padding, and punctuation in ColBERT. To choose it with
    /// similarity 0 instead, as PyLate and BGE-M3 do, make its vector 0 and leave it visible.
    pub document_mask: Option<&'a Tensor>,
}

/// Most bytes of similarities at a time: enough rows that the product runs at full speed.
const CHUNK_BYTES: u64 = 64 << 20;
/// On the CPU what is read again soon lies in the caches that the cores share.
const CPU_CHUNK_BYTES: u64 = 4 << 20;
/// Most products side by side in one launch, and most rows and columns of one: far below what a grid holds.
const MOST_BATCHES: usize = 32_768;
const MOST_ROWS: usize = 1 << 21;
/// Rounds that one lane may run: below the 65,535 after which llvmpipe leaves its loops.
const MOST_ROUNDS: usize = 60_000;
/// Lanes of a workgroup of the kernels.
const LANES: u32 = 64;

/// Scores documents by late interaction: for each query token the largest inner product with a visible document token,
/// added up over the query tokens that count, `s_mn = Σ_i max_j ⟨q_mi, d_nj⟩`.
///
/// Similarities of tokens exist for a block of queries and documents at a time, at most 64 MiB of them (4 on the CPU), or those
/// of one query and one document if these are more; up to 64 of each are together where S·D or T·D is no multiple of 64. Of
/// equal ones the first takes the gradient. A document of which nothing is visible scores 0 and passes no gradient.
///
/// Vectors must be finite, which is not checked. A NaN at the first visible token of a document stays and takes the gradient; a
/// later one loses every comparison and is passed over in silence. WGSL does not promise a device even that.
///
/// # Shapes
/// `queries: [M, S, D]`, `documents: [N, T, D]` → `[M, N]`, or `[M, N / M]` for groups.
///
/// # Gradients
/// Flows to queries and documents, through the chosen tokens alone. Keeps both and, if a gradient is wanted, the
/// positions: u32 `[M, N, S]`, or `[M, N / M, S]`.
///
/// # Panics
/// If a shape does not fit, there is no query, document or token, or the documents do not divide into groups.
///
/// # Source
/// Kernels `shaders/max_sim.wgsl` and `matmul.wgsl`; Khattab & Zaharia 2020, arXiv:2004.12832, eq. 3.
#[track_caller]
pub fn max_sim(queries: &Tensor, documents: &Tensor, options: &MaxSim<'_>) -> Tensor {
    let on_cpu = queries.device().is_cpu();
    in_chunks(queries, documents, options, if on_cpu { CPU_CHUNK_BYTES } else { CHUNK_BYTES })
}

#[track_caller]
fn in_chunks(
    queries: &Tensor,
    documents: &Tensor,
    options: &MaxSim<'_>,
    chunk_bytes: u64,
) -> Tensor {
    let whole = whole(queries, documents, options);
    let device = queries.device();
    let unmasked = device.upload_u32(&[1]);
    let mask = |mask: Option<&Tensor>| mask.map_or(&unmasked, Tensor::buffer).clone();
    let (query_mask, document_mask) = (mask(options.query_mask), mask(options.document_mask));
    let sizes = Sizes::of(&whole);
    let Sizes { query_tokens, document_tokens, channels, .. } = sizes;
    let query_count = sizes.batches * sizes.queries;
    let pairs = query_count * sizes.documents;

    let [batches, query_step, document_step] = sizes.block(device, chunk_bytes);
    let mut scores = device.buffer_of_parts(pairs);
    let wants_gradient = queries.wants_gradient() || documents.wants_gradient();
    let mut kept = wants_gradient.then(|| device.buffer(pairs * query_tokens));
    for block in blocks(&sizes, [batches, query_step, document_step]) {
        let params = Params { keeps_positions: u32::from(kept.is_some()), ..block.of(&whole) };
        let product = Product {
            rows: block.counts[2] * document_tokens,
            columns: block.counts[1] * query_tokens,
            inner: channels,
            batches: block.counts[0],
            a: [channels, 1, sizes.documents * document_tokens * channels],
            b: [1, channels, sizes.queries * query_tokens * channels],
        };
        let a = block.part(documents, 2, sizes.documents, document_tokens * channels);
        let b = block.part(queries, 1, sizes.queries, query_tokens * channels);
        let (similarities, _) = product.run(device, &a, &b, Finish::Plain);
        let columns = block.counts.iter().product::<usize>() * query_tokens;
        let mut maxima = device.buffer(columns);
        let mut forgotten = kept.is_none().then(|| device.buffer(columns));
        let forward = Forward {
            params,
            similarities: &similarities,
            document_mask: &document_mask,
            maxima: &mut maxima,
            positions: kept.as_mut().or(forgotten.as_mut()).expect("either is there"),
        };
        let read = columns * document_tokens;
        device.run(forward, Launch::lanes(columns, LANES).flops(read).words(read + 2 * columns));
        let score = Score { params, query_mask: &query_mask, maxima: &maxima, scores: &mut scores };
        let launch = Launch::lanes(columns / query_tokens, LANES);
        device.run(score, launch.flops(columns).words(columns));
    }
    let scores = Tensor::new(device, [query_count, sizes.documents], scores);
    let Some(positions) = kept else { return scores };
    let (q, d) = (queries.detach(), documents.detach());
    let saved = Saved { params: whole, query_mask, positions, queries: q, documents: d };
    scores.record("max_sim", [queries, documents], saved)
}

/// Everything as one block, after a check of all shapes.
#[track_caller]
fn whole(queries: &Tensor, documents: &Tensor, options: &MaxSim<'_>) -> Params {
    let MaxSim { pairs, query_mask, document_mask } = *options;
    let &[query_count, query_tokens, channels] = queries.shape().axes() else {
        panic!("max_sim: queries is {}, expected [M, S, D]", queries.shape())
    };
    let &[document_count, document_tokens, _] = documents.shape().axes() else {
        panic!("max_sim: documents is {}, expected [N, T, D]", documents.shape())
    };
    documents.expect_shape("max_sim: documents", &[document_count, document_tokens, channels]);
    let (q, d) = (queries.shape(), documents.shape());
    assert!(
        query_count * query_tokens * document_count * document_tokens > 0,
        "max_sim: queries is {q}, documents is {d}, expected a token at least"
    );
    if let Some(mask) = query_mask {
        mask.expect_shape("max_sim: query_mask", &[query_count, query_tokens]);
    }
    if let Some(mask) = document_mask {
        mask.expect_shape("max_sim: document_mask", &[document_count, document_tokens]);
    }
    let batches = if pairs == Pairs::All { 1 } else { query_count };
    assert!(
        document_count.is_multiple_of(batches),
        "max_sim: documents is {d}, expected as many for each query of {q}"
    );
    let [batches, batch_queries, batch_documents, query_tokens, document_tokens, channels] = [
        batches,
        query_count / batches,
        document_count / batches,
        query_tokens,
        document_tokens,
        channels,
    ]
    .map(|n| n as u32);
    Params {
        batches,
        queries: batch_queries,
        documents: batch_documents,
        first_batch: 0,
        first_query: 0,
        first_document: 0,
        batch_queries,
        batch_documents,
        query_tokens,
        document_tokens,
        channels,
        has_query_mask: u32::from(query_mask.is_some()),
        has_document_mask: u32::from(document_mask.is_some()),
        keeps_positions: 1,
    }
}

/// The extents of all of it; queries and documents are those of one batch.
#[derive(Clone, Copy)]
struct Sizes {
    batches: usize,
    queries: usize,
    documents: usize,
    query_tokens: usize,
    document_tokens: usize,
    channels: usize,
}

impl Sizes {
    fn of(params: &Params) -> Self {
        Self {
            batches: params.batches as usize,
            queries: params.batch_queries as usize,
            documents: params.batch_documents as usize,
            query_tokens: params.query_tokens as usize,
            document_tokens: params.document_tokens as usize,
            channels: params.channels as usize,
        }
    }

    /// Batches, queries and documents of a block: as many as fit, first whole batches, then documents, then queries.
    fn block(&self, device: &Device, chunk_bytes: u64) -> [usize; 3] {
        let budget = device.limits().max_binding_bytes.min(chunk_bytes) as usize;
        let fitting = budget / (4 * self.query_tokens * self.document_tokens);
        let query_words = self.query_tokens * self.channels;
        let document_words = self.document_tokens * self.channels;
        let batch_granule =
            granule(self.queries * query_words).max(granule(self.documents * document_words));
        let pairs = self.queries * self.documents;
        let batches = step(self.batches, (fitting / pairs).min(MOST_BATCHES), batch_granule);
        let in_batches = batches.min(self.batches);
        let most_documents = MOST_ROWS / self.document_tokens;
        let documents = step(
            self.documents,
            (fitting / (in_batches * self.queries)).min(most_documents),
            granule(document_words),
        );
        let fitting = fitting / (in_batches * documents.min(self.documents));
        let most_queries = MOST_ROWS / self.query_tokens;
        let queries = step(self.queries, fitting.min(most_queries), granule(query_words));
        [batches, queries, documents]
    }
}

/// Steps in which `count` things are taken, `fitting` at most, evenly: multiples of `granule`, and one of them at least.
fn step(count: usize, fitting: usize, granule: usize) -> usize {
    let fitting = (fitting / granule * granule).max(granule);
    count.div_ceil(count.div_ceil(fitting)).next_multiple_of(granule)
}

/// How many things of `words` words lead to the next place where a view may begin: a multiple of 64 words.
fn granule(words: usize) -> usize {
    64 >> words.trailing_zeros().min(6)
}

/// Some batches, and some queries and documents of each, in this order.
struct Block {
    firsts: [usize; 3],
    counts: [usize; 3],
}

fn blocks(sizes: &Sizes, steps: [usize; 3]) -> Vec<Block> {
    let wholes = [sizes.batches, sizes.queries, sizes.documents];
    let firsts = |axis: usize| (0..wholes[axis]).step_by(steps[axis]);
    let mut blocks = Vec::new();
    for batch in firsts(0) {
        for query in firsts(1) {
            for document in firsts(2) {
                let firsts = [batch, query, document];
                let count = |axis: usize| steps[axis].min(wholes[axis] - firsts[axis]);
                blocks.push(Block { firsts, counts: [count(0), count(1), count(2)] });
            }
        }
    }
    blocks
}

impl Block {
    fn of(&self, whole: &Params) -> Params {
        let [first_batch, first_query, first_document] = self.firsts.map(|n| n as u32);
        let [batches, queries, documents] = self.counts.map(|n| n as u32);
        let (batch_queries, batch_documents) = (whole.batch_queries, whole.batch_documents);
        Params {
            batches,
            queries,
            documents,
            first_batch,
            first_query,
            first_document,
            batch_queries,
            batch_documents,
            ..*whole
        }
    }

    /// The vectors of this block, from its first to its last: `in_batch` things of `words` words each lie in a batch.
    fn part(&self, vectors: &Tensor, axis: usize, in_batch: usize, words: usize) -> Buffer {
        let first = self.firsts[0] * in_batch + self.firsts[axis];
        let count = (self.counts[0] - 1) * in_batch + self.counts[axis];
        vectors.buffer().view(first * words, count * words)
    }
}

/// Both operands, and where each maximum was found.
struct Saved {
    params: Params,
    query_mask: Buffer,
    positions: Buffer,
    queries: Tensor,
    documents: Tensor,
}

impl Saved {
    fn to_queries(&self, dscores: &Tensor) -> Tensor {
        let (device, words) = (dscores.device(), self.queries.shape().elements());
        let mut dqueries = device.buffer(words);
        let documents = self.params.batch_documents as usize;
        for first in (0..documents).step_by(MOST_ROUNDS) {
            let count = MOST_ROUNDS.min(documents - first);
            let kernel = BackwardQueries {
                params: Params {
                    first_document: first as u32,
                    documents: count as u32,
                    ..self.params
                },
                query_mask: &self.query_mask,
                positions: &self.positions,
                dscores: dscores.buffer(),
                document_vectors: self.documents.buffer(),
                dqueries: &mut dqueries,
            };
            let launch = Launch::lanes(words, LANES);
            device.run(kernel, launch.flops(2 * words * count).words(words * (count + 1)));
        }
        Tensor::new(device, self.queries.shape().clone(), dqueries)
    }

    fn to_documents(&self, dscores: &Tensor) -> Tensor {
        let device = dscores.device();
        let Sizes { queries, query_tokens, document_tokens, .. } = Sizes::of(&self.params);
        let words = self.documents.shape().elements();
        let lanes = words / document_tokens;
        let mut ddocuments = device.buffer(words);
        let step = (MOST_ROUNDS.saturating_sub(document_tokens) / (query_tokens + 2)).max(1);
        for first in (0..queries).step_by(step) {
            let count = step.min(queries - first);
            let kernel = BackwardDocuments {
                params: Params { first_query: first as u32, queries: count as u32, ..self.params },
                query_mask: &self.query_mask,
                positions: &self.positions,
                dscores: dscores.buffer(),
                query_vectors: self.queries.buffer(),
                ddocuments: &mut ddocuments,
            };
            let sums = lanes * count * query_tokens;
            device.run(kernel, Launch::lanes(lanes, LANES).flops(2 * sums).words(words + 3 * sums));
        }
        Tensor::new(device, self.documents.shape().clone(), ddocuments)
    }
}

impl Backward<2> for Saved {
    fn backward(self: Box<Self>, dscores: &Tensor, wants: [bool; 2]) -> [Option<Tensor>; 2] {
        [wants[0].then(|| self.to_queries(dscores)), wants[1].then(|| self.to_documents(dscores))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_close, devices, normal, wide};

    /// Steps that divide nothing evenly give what one block gives.
    #[test]
    fn blocks_add_up_to_the_whole() {
        for device in devices() {
            for pairs in [Pairs::All, Pairs::Groups] {
                let leaf = |shape: &[usize], seed| {
                    let values = normal(shape.iter().product(), seed);
                    Tensor::f32(&device, shape, &values).tracked()
                };
                let (queries, documents) = (leaf(&[5, 3, 64], 1), leaf(&[35, 7, 64], 2));
                let seen: Vec<u32> = (0..35 * 7).map(|at| u32::from(at % 4 != 1)).collect();
                let mask = Tensor::u32(&device, [35, 7], &seen);
                let options = MaxSim { pairs, query_mask: None, document_mask: Some(&mask) };
                let run = |chunk_bytes| {
                    let scores = in_chunks(&queries, &documents, &options, chunk_bytes);
                    let dscores = normal(scores.shape().elements(), 3);
                    let upstream = Tensor::f32(&device, scores.shape().clone(), &dscores);
                    let gradients = scores.backward_with(&upstream);
                    let of = |leaf| gradients.get(leaf).expect("it is tracked").to_f32();
                    [scores.to_f32(), of(&queries), of(&documents)]
                };
                let expected = run(CHUNK_BYTES);
                // A pair has 84 bytes: one pair, three documents of a query, and 20 pairs.
                for chunk_bytes in [1, 300, 1700] {
                    for (actual, expected) in run(chunk_bytes).iter().zip(&expected) {
                        let context = format!("{device:?} {pairs:?} {chunk_bytes}");
                        assert_close(actual, &wide(expected), 1e-6, &context);
                    }
                }
            }
        }
    }
}
