//! What forward and backward share: the matrices of some heads of some items, and the scores between them.

use super::super::head_major::{Chunk, Heads, chunks, times, times_transposed};
use super::super::product::Finish;
use super::super::row_share::{row_lanes, row_launch};
use crate::device::{Buffer, Device, Kernel, Launch};
use crate::kernels::attention_relative::{Constants, Params, Scores};
use crate::params::relative_segments::Params as SegmentParams;

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

    /// As many heads as fit, by the products of queries and distances.
    pub fn chunks(&self, device: &Device) -> Vec<Chunk> {
        let extents = [self.params.batch, self.params.heads].map(|n| n as usize);
        chunks(device, extents, self.queries() * self.distances())
    }

    /// The heads of q, k, v and the table.
    pub fn heads(&self) -> Heads {
        Heads::new(self.params.heads as usize, self.width)
    }

    /// Lanes that share a row of scores.
    pub fn row_lanes(&self, device: &Device) -> u32 {
        row_lanes(device, self.distances(), Scores::WORKGROUP[0])
    }

    /// Workgroups for the rows of the chunk.
    pub fn rows(&self, device: &Device, chunk: Chunk) -> Launch {
        let [lanes, ..] = Scores::WORKGROUP;
        row_launch(chunk.matrices() * self.queries(), self.row_lanes(device), lanes)
    }

    /// Gathers the chunk's matrices.
    pub fn operands(&self, device: &Device, chunk: Chunk) -> Operands {
        let heads = self.heads();
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
                constants: Constants { row_lanes: self.row_lanes(device) },
                distant: &distant,
                lengths: &self.lengths,
                bits: &self.bits,
                places: &self.places,
                query_segments: segments.map_or(&self.q, |segments| &segments.of_queries),
                key_segments: segments.map_or(&self.q, |segments| &segments.of_keys),
                slopes: segments.map_or(&self.q, |segments| &segments.slopes),
                weights: &mut weights,
            },
            self.rows(device, chunk).flops(4 * words).words(3 * words),
        );
        (weights, distant)
    }

    /// `[.., T, S]` times `[.., S, D]`.
    pub fn mixed(&self, device: &Device, chunk: Chunk, weights: &Buffer, rows: &Buffer) -> Buffer {
        let product = times(chunk.matrices(), [self.queries(), self.keys(), self.width]);
        product.run(device, weights, rows, Finish::Plain).0
    }
}
