//! On emulated GPUs: some heads at a time, products by `matmul`, and between them a lane's rows in its registers.

use super::backward::{Saved, Walked};
use super::inputs::Inputs;
use crate::device::{Buffer, Device, Launch};
use crate::kernels::attention_relative::{Constants, Params};
use crate::kernels::attention_relative_backward_software::BackwardWeights;
use crate::kernels::attention_relative_software::ForwardDistant;
use crate::ops::attention::EMULATED_WIDTH;
use crate::ops::head_major::{Chunk, Heads, chunks, times, times_transposed, transposed_times};
use crate::ops::product::Finish;
use crate::ops::{add, column_sums};
use crate::tensor::Tensor;

/// Products of the queries of a chunk with all distances, and what they are made of.
struct Distant {
    /// The chunk's.
    params: Params,
    /// `[.., T, D]`: q + w.
    queries: Buffer,
    /// `[heads, Q + S, D]`: r.
    table: Buffer,
    /// `[.., T, Q + S]`.
    products: Buffer,
}

impl Inputs {
    /// y and L.
    pub(super) fn forward_in_chunks(&self, device: &Device, y: &mut Buffer, lse: &mut Buffer) {
        for chunk in self.chunks_of_heads(device) {
            let distant = self.distant(device, chunk);
            device.run(
                ForwardDistant {
                    params: distant.params,
                    constants: self.lane_arrays(),
                    q: &self.q,
                    k: &self.k,
                    v: &self.v,
                    biases: &self.biases,
                    notes: &self.notes,
                    y,
                    lse,
                    distant: &distant.products,
                },
                self.lanes_of(chunk).flops(2 * self.product_of(chunk)).words(self.scores_of(chunk)),
            );
        }
    }

    /// As many heads as fit, by the products of queries and distances.
    fn chunks_of_heads(&self, device: &Device) -> Vec<Chunk> {
        let extents = [self.params.batch, self.params.heads].map(|n| n as usize);
        chunks(device, extents, self.queries() * self.distances())
    }

    fn distant(&self, device: &Device, chunk: Chunk) -> Distant {
        let heads = self.heads();
        let (queries, distances) = (self.queries(), self.distances());
        let for_distance =
            heads.gather_biased(device, chunk, &self.q, &self.distance_bias, queries);
        let table = heads.gather(device, chunk.of_table(), &self.table, distances);
        // The rows of all items meet the same distances.
        let extents = [chunk.items * queries, self.params.width as usize, distances];
        let product = times_transposed(chunk.heads, extents);
        let (products, _) = product.run(device, &for_distance, &table, Finish::Plain);
        let params = Params {
            first_head: chunk.first_head as u32,
            first_item: chunk.first_item as u32,
            some_items: chunk.items as u32,
            ..self.params
        };
        Distant { params, queries: for_distance, table, products }
    }

    /// 2 where the sums fit into a lane's arrays, else 4.
    fn lane_arrays(&self) -> Constants {
        Constants { chunks: if self.params.width <= EMULATED_WIDTH { 2 } else { 4 } }
    }

    /// One subgroup per tile of queries, head and item.
    fn lanes_of(&self, chunk: Chunk) -> Launch {
        let tiles = self.queries().div_ceil(super::TILE_ROWS);
        Launch::groups([tiles, chunk.heads, chunk.items].map(|n| n as u32))
    }

    fn scores_of(&self, chunk: Chunk) -> usize {
        chunk.matrices() * self.queries() * self.keys()
    }

    fn product_of(&self, chunk: Chunk) -> usize {
        2 * self.scores_of(chunk) * self.params.width as usize
    }

    /// The heads of q, k, v and the table.
    fn heads(&self) -> Heads {
        Heads::new(self.params.heads as usize, self.params.width as usize)
    }
}

/// What the chunks write.
struct Parts {
    /// `[B, T, A, D]`: the gradient of q + u, that of q + w.
    content: Buffer,
    distance: Buffer,
    dk: Buffer,
    dv: Buffer,
    dtable: Buffer,
    /// `[B, T, A]`.
    sigma: Buffer,
}

impl Saved {
    /// All gradients but those of segments.
    pub(super) fn in_chunks(&self, device: &Device, dy: &Buffer, notes: &Buffer) -> Walked {
        let inputs = &self.inputs;
        let like = |buffer: &Buffer| device.buffer(buffer.words());
        let mut parts = Parts {
            content: like(&inputs.q),
            distance: like(&inputs.q),
            dk: like(&inputs.k),
            dv: like(&inputs.k),
            dtable: like(&inputs.table),
            sigma: like(&self.lse),
        };
        for chunk in inputs.chunks_of_heads(device) {
            self.add_chunk(device, chunk, dy, notes, &mut parts);
        }
        let [batch, heads, width] =
            [inputs.params.batch, inputs.params.heads, inputs.params.width].map(|n| n as usize);
        let rows =
            |part: Buffer| Tensor::new(device, [batch * inputs.queries(), heads * width], part);
        let (content, distance) = (rows(parts.content), rows(parts.distance));
        Walked {
            content_bias: Some(column_sums(&content)),
            distance_bias: Some(column_sums(&distance)),
            queries: Some([add(&content, &distance).buffer().clone(), parts.sigma]),
            keys: Some([parts.dk, parts.dv]),
            table: Some(parts.dtable),
        }
    }

    /// The chunk's share of every part.
    fn add_chunk(
        &self,
        device: &Device,
        chunk: Chunk,
        dy: &Buffer,
        notes: &Buffer,
        parts: &mut Parts,
    ) {
        let inputs = &self.inputs;
        let heads = inputs.heads();
        let [queries, keys, distances] = [inputs.queries(), inputs.keys(), inputs.distances()];
        let (width, matrices) = (inputs.params.width as usize, chunk.matrices());
        let mut distant = inputs.distant(device, chunk);
        let [mut weights, mut ds] = [(); 2].map(|()| device.buffer(inputs.scores_of(chunk)));
        device.run(
            BackwardWeights {
                params: bytemuck::cast(distant.params),
                constants: self.constants(device),
                q: &inputs.q,
                k: &inputs.k,
                v: &inputs.v,
                dy,
                notes,
                sigma: &mut parts.sigma,
                distant: &mut distant.products,
                weights: &mut weights,
                ds: &mut ds,
            },
            inputs
                .lanes_of(chunk)
                .flops(2 * inputs.product_of(chunk))
                .words(5 * inputs.scores_of(chunk)),
        );
        let shifted = distant.products;

        let of_keys = heads.gather(device, chunk, &inputs.k, keys);
        let product = times(matrices, [queries, keys, width]);
        let (part, _) = product.run(device, &ds, &of_keys, Finish::Plain);
        heads.scatter(device, chunk, &part, &mut parts.content, queries);
        // The rows of all items meet the same distances.
        let rows = chunk.items * queries;
        let product = times(chunk.heads, [rows, distances, width]);
        let (part, _) = product.run(device, &shifted, &distant.table, Finish::Plain);
        heads.scatter(device, chunk, &part, &mut parts.distance, queries);

        let product = transposed_times(chunk.heads, [distances, rows, width]);
        let (part, _) = product.run(device, &shifted, &distant.queries, Finish::Plain);
        if chunk.first_item == 0 {
            heads.scatter(device, chunk.of_table(), &part, &mut parts.dtable, distances);
        } else {
            heads.scatter_add(device, chunk.of_table(), &part, &mut parts.dtable, distances);
        }

        let to_keys = transposed_times(matrices, [keys, queries, width]);
        let for_content =
            heads.gather_biased(device, chunk, &inputs.q, &inputs.content_bias, queries);
        let (part, _) = to_keys.run(device, &ds, &for_content, Finish::Plain);
        heads.scatter(device, chunk, &part, &mut parts.dk, keys);
        let dy = heads.gather(device, chunk, dy, queries);
        let (part, _) = to_keys.run(device, &weights, &dy, Finish::Plain);
        heads.scatter(device, chunk, &part, &mut parts.dv, keys);
    }
}
