//! What forward and backward share: the matrices of some heads of some items, and the scores between them.

use super::super::product::{Finish, Product};
use crate::device::{Buffer, Device, Kernel, Launch};
use crate::kernels::attention_relative::{Params, Scores};
use crate::kernels::head_major::{
    self, Backward as Scatter, BackwardAdd as ScatterAdd, Forward as Gather,
    ForwardBiased as GatherBiased,
};
use crate::params::relative_segments::Params as SegmentParams;

/// Most bytes of one chunk's scores by distance: enough rows that the products run at full speed.
const CHUNK_BYTES: u64 = 64 << 20;
/// Most matrices of a chunk: with K in 16 shares a product starts as many groups along an axis as it may.
const MOST_MATRICES: usize = 4095;
/// Lanes of a workgroup of `head_major`.
const MOVE_LANES: u32 = Gather::WORKGROUP[0];

/// What both directions read.
pub(super) struct Inputs {
    /// Of all heads and items.
    pub params: Params,
    /// D.
    pub width: usize,
    pub q: Buffer,
    pub k: Buffer,
    pub v: Buffer,
    /// r.
    pub table: Buffer,
    pub content_bias: Buffer,
    pub distance_bias: Buffer,
    pub lengths: Buffer,
    pub bits: Buffer,
    pub places: Buffer,
    pub key: Buffer,
    pub segments: Option<SegmentInputs>,
}

/// What both directions read of segments.
pub(super) struct SegmentInputs {
    /// Of all heads and items.
    pub params: SegmentParams,
    pub table: Buffer,
    pub bias: Buffer,
    pub of_queries: Buffer,
    pub of_keys: Buffer,
    /// `[B, T, A]`: e.
    pub slopes: Buffer,
}

/// Some heads, and some items of each.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chunk {
    pub first_head: usize,
    pub heads: usize,
    pub first_item: usize,
    pub items: usize,
}

impl Chunk {
    /// How many matrices of `[T, S]` it has.
    pub fn matrices(&self) -> usize {
        self.heads * self.items
    }
}

/// As many heads as fit; where one does not, as many of its items as fit.
pub(super) fn chunks(device: &Device, params: &Params) -> Vec<Chunk> {
    let [batch, heads, queries, distances] =
        [params.batch, params.heads, params.queries, params.distances].map(|n| n as usize);
    let budget = device.limits().max_binding_bytes.min(CHUNK_BYTES) as usize;
    let matrices = (budget / (4 * queries * distances).max(1)).clamp(1, MOST_MATRICES);
    let even = |all: usize, fitting: usize| {
        let parts = all.div_ceil(fitting.max(1)).max(1);
        all.div_ceil(parts).max(1)
    };
    let some_items = even(batch, matrices);
    let some_heads = if some_items < batch { 1 } else { even(heads, matrices / batch.max(1)) };
    let of_heads = |first_head: usize| {
        (0..batch).step_by(some_items).map(move |first_item| Chunk {
            first_head,
            heads: some_heads.min(heads - first_head),
            first_item,
            items: some_items.min(batch - first_item),
        })
    };
    (0..heads).step_by(some_heads).flat_map(of_heads).collect()
}

/// A chunk's matrices, side by side.
pub(super) struct Operands {
    /// The chunk's.
    pub params: Params,
    pub chunk: Chunk,
    /// `[.., T, D]`: q + u.
    pub for_content: Buffer,
    /// `[.., T, D]`: q + w.
    pub for_distance: Buffer,
    /// `[.., S, D]`: k.
    pub content: Buffer,
    /// `[heads, Q + S, D]`: r.
    pub distance: Buffer,
}

impl Inputs {
    pub fn queries(&self) -> usize {
        self.params.queries as usize
    }

    pub fn keys(&self) -> usize {
        self.params.keys as usize
    }

    pub fn distances(&self) -> usize {
        self.params.distances as usize
    }

    /// One workgroup per row of the chunk.
    pub fn rows(&self, chunk: Chunk) -> Launch {
        Launch::rows(chunk.matrices() * self.queries())
    }

    /// Gathers the chunk's matrices.
    pub fn operands(&self, device: &Device, chunk: Chunk) -> Operands {
        let heads = Heads::of(self);
        let query = |bias| heads.gather_biased(device, chunk, &self.q, bias, self.queries());
        Operands {
            params: Params {
                first_head: chunk.first_head as u32,
                some_heads: chunk.heads as u32,
                first_item: chunk.first_item as u32,
                some_items: chunk.items as u32,
                ..self.params
            },
            chunk,
            for_content: query(&self.content_bias),
            for_distance: query(&self.distance_bias),
            content: heads.gather(device, chunk, &self.k, self.keys()),
            distance: heads.gather(device, chunk.of_table(), &self.table, self.distances()),
        }
    }

    /// The scores s, and the memory of the products of queries and distances, which they no longer need.
    pub fn scores(&self, device: &Device, operands: &Operands) -> (Buffer, Buffer) {
        let chunk = operands.chunk;
        let content = times_transposed(chunk.matrices(), [self.queries(), self.width, self.keys()]);
        let (mut weights, _) =
            content.run(device, &operands.for_content, &operands.content, Finish::Plain);
        // The rows of all items meet the same distances.
        let rows = chunk.items * self.queries();
        let distance = times_transposed(chunk.heads, [rows, self.width, self.distances()]);
        let (distant, _) =
            distance.run(device, &operands.for_distance, &operands.distance, Finish::Plain);
        let words = weights.words();
        let segments = self.segments.as_ref();
        device.run(
            Scores {
                params: operands.params,
                distant: &distant,
                lengths: &self.lengths,
                bits: &self.bits,
                places: &self.places,
                query_segments: segments.map_or(&self.q, |segments| &segments.of_queries),
                key_segments: segments.map_or(&self.q, |segments| &segments.of_keys),
                slopes: segments.map_or(&self.q, |segments| &segments.slopes),
                weights: &mut weights,
            },
            self.rows(chunk).flops(4 * words).words(3 * words),
        );
        (weights, distant)
    }

    /// `[.., T, S]` times `[.., S, D]`.
    pub fn mixed(&self, device: &Device, chunk: Chunk, weights: &Buffer, rows: &Buffer) -> Buffer {
        let product = times(chunk.matrices(), [self.queries(), self.keys(), self.width]);
        product.run(device, weights, rows, Finish::Plain).0
    }
}

impl Chunk {
    /// The same heads of the one table of distances.
    pub fn of_table(self) -> Self {
        Self { first_item: 0, items: 1, ..self }
    }
}

/// A·B of matrices that lie side by side: `[M, K, N]`.
pub(super) fn times(batches: usize, [rows, inner, columns]: [usize; 3]) -> Product {
    let (a, b) = ([inner, 1, rows * inner], [columns, 1, inner * columns]);
    Product { rows, columns, inner, batches, a, b }
}

/// A·Bᵀ: `[M, K, N]`.
pub(super) fn times_transposed(batches: usize, [rows, inner, columns]: [usize; 3]) -> Product {
    let (a, b) = ([inner, 1, rows * inner], [1, inner, inner * columns]);
    Product { rows, columns, inner, batches, a, b }
}

/// Aᵀ·B: `[M, K, N]`.
pub(super) fn transposed_times(batches: usize, [rows, inner, columns]: [usize; 3]) -> Product {
    let (a, b) = ([1, rows, rows * inner], [columns, 1, inner * columns]);
    Product { rows, columns, inner, batches, a, b }
}

/// Tensors `[.., A, D]`, whose heads a chunk takes out or puts back.
#[derive(Clone, Copy)]
pub(super) struct Heads {
    heads: usize,
    width: usize,
}

impl Heads {
    pub fn of(inputs: &Inputs) -> Self {
        Self { heads: inputs.params.heads as usize, width: inputs.width }
    }

    fn params(self, chunk: Chunk, tokens: usize) -> head_major::Params {
        head_major::Params {
            tokens: tokens as u32,
            heads: self.heads as u32,
            width: self.width as u32,
            first_head: chunk.first_head as u32,
            some_heads: chunk.heads as u32,
            first_item: chunk.first_item as u32,
            some_items: chunk.items as u32,
        }
    }

    fn words(self, chunk: Chunk, tokens: usize) -> usize {
        chunk.matrices() * tokens * self.width
    }

    /// The chunk's part of `x`, items of `tokens` rows, as `[.., tokens, D]`.
    pub fn gather(self, device: &Device, chunk: Chunk, x: &Buffer, tokens: usize) -> Buffer {
        let words = self.words(chunk, tokens);
        let mut y = device.buffer(words);
        let kernel = Gather { params: self.params(chunk, tokens), x, y: &mut y };
        device.run(kernel, Launch::lanes(words, MOVE_LANES).words(2 * words));
        y
    }

    /// As [`Heads::gather`], with the bias of each head added to its rows.
    pub fn gather_biased(
        self,
        device: &Device,
        chunk: Chunk,
        x: &Buffer,
        bias: &Buffer,
        tokens: usize,
    ) -> Buffer {
        let words = self.words(chunk, tokens);
        let mut y = device.buffer(words);
        let kernel = GatherBiased { params: self.params(chunk, tokens), x, bias, y: &mut y };
        device.run(kernel, Launch::lanes(words, MOVE_LANES).flops(words).words(2 * words));
        y
    }

    /// Writes `dy` to the chunk's part of `dx`.
    pub fn scatter(
        self,
        device: &Device,
        chunk: Chunk,
        dy: &Buffer,
        dx: &mut Buffer,
        tokens: usize,
    ) {
        let words = self.words(chunk, tokens);
        let kernel = Scatter { params: self.params(chunk, tokens), dy, dx };
        device.run(kernel, Launch::lanes(words, MOVE_LANES).words(2 * words));
    }

    /// Adds `dy` to the chunk's part of `dx`.
    pub fn scatter_add(
        self,
        device: &Device,
        chunk: Chunk,
        dy: &Buffer,
        dx: &mut Buffer,
        tokens: usize,
    ) {
        let words = self.words(chunk, tokens);
        let kernel = ScatterAdd { params: self.params(chunk, tokens), dy, dx };
        device.run(kernel, Launch::lanes(words, MOVE_LANES).flops(words).words(3 * words));
    }
}
