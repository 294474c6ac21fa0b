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

/// Queries of a tile, which a block has several of unless it is the last one.
const TILE: usize = super::TILE_ROWS;

/// Neighbouring queries, and the distances that some of them meet.
#[derive(Clone, Copy)]
struct Block {
    first_query: usize,
    queries: usize,
    first_distance: usize,
    distances: usize,
}

/// Products of a block's queries with its distances, and what they are made of.
pub(super) struct Distant {
    /// The block's.
    params: Params,
    /// `[.., queries, D]`: q + w.
    queries: Buffer,
    /// `[heads, distances, D]`: r.
    table: Buffer,
    /// `[.., queries, distances]`.
    products: Buffer,
}

impl Inputs {
    /// y and L; of each chunk and block the products with distances, where they may be kept.
    pub(super) fn forward_in_chunks(
        &self,
        device: &Device,
        y: &mut Buffer,
        lse: &mut Buffer,
        wants_gradient: bool,
    ) -> Vec<Distant> {
        let keeps = wants_gradient && self.has_few_distances();
        let mut kept = Vec::new();
        for chunk in self.chunks_of_heads(device) {
            for block in self.blocks() {
                let distant = self.distant(device, chunk, block);
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
                    self.lanes_of(chunk, block, 1),
                );
                if keeps {
                    kept.push(distant);
                }
            }
        }
        kept
    }

    /// Whether a query meets no more distances than it has words in q, k, v and y: then X is no larger than these, which are
    /// kept in any case.
    fn has_few_distances(&self) -> bool {
        self.blocks().iter().all(|block| block.distances <= 4 * self.params.width as usize)
    }

    /// As many heads as fit, by the two matrices of weights of the way back.
    fn chunks_of_heads(&self, device: &Device) -> Vec<Chunk> {
        let extents = [self.params.batch, self.params.heads].map(|n| n as usize);
        chunks(device, extents, 2 * self.queries() * self.keys())
    }

    /// A quarter of the queries at a time: fewer distances are multiplied with queries that never meet them, and a product has
    /// rows enough. Queries that may be any tokens are one block.
    fn blocks(&self) -> Vec<Block> {
        let (queries, keys) = (self.queries(), self.keys());
        if self.params.has_places != 0 {
            let distances = self.distances();
            return vec![Block { first_query: 0, queries, first_distance: 0, distances }];
        }
        let most = queries.div_ceil(4).next_multiple_of(TILE);
        let block = |first_query: usize| {
            let some = most.min(queries - first_query);
            let first_distance = queries - first_query - some;
            Block { first_query, queries: some, first_distance, distances: keys + some }
        };
        (0..queries).step_by(most).map(block).collect()
    }

    fn distant(&self, device: &Device, chunk: Chunk, block: Block) -> Distant {
        let of_queries = self.heads(self.queries()).of_tokens(block.first_query, block.queries);
        let queries = of_queries.gather_biased(device, chunk, &self.q, &self.distance_bias);
        let table = self.table_of(block).gather(device, chunk.of_table(), &self.table);
        // The rows of all items meet the same distances.
        let extents = [chunk.items * block.queries, self.params.width as usize, block.distances];
        let product = times_transposed(chunk.heads, extents);
        let (products, _) = product.run(device, &queries, &table, Finish::Plain);
        let params = Params {
            first_head: chunk.first_head as u32,
            first_item: chunk.first_item as u32,
            some_items: chunk.items as u32,
            first_query: block.first_query as u32,
            some_queries: block.queries as u32,
            first_distance: block.first_distance as u32,
            some_distances: block.distances as u32,
            ..self.params
        };
        Distant { params, queries, table, products }
    }

    /// 2 where the sums fit into a lane's arrays, else 4.
    fn lane_arrays(&self) -> Constants {
        Constants { chunks: if self.params.width <= EMULATED_WIDTH { 2 } else { 4 } }
    }

    /// One subgroup per tile of queries, head and item; a score is two products, and so many words.
    fn lanes_of(&self, chunk: Chunk, block: Block, words: usize) -> Launch {
        let tiles = block.queries.div_ceil(TILE);
        let scores = chunk.matrices() * block.queries * self.keys();
        Launch::groups([tiles, chunk.heads, chunk.items].map(|n| n as u32))
            .flops(4 * scores * self.params.width as usize)
            .words(words * scores)
    }

    /// The heads of q, or of k and v.
    fn heads(&self, tokens: usize) -> Heads {
        Heads::new([tokens, self.params.heads as usize, self.params.width as usize])
    }

    /// Of r, what the block meets.
    fn table_of(&self, block: Block) -> Heads {
        self.heads(self.distances()).of_tokens(block.first_distance, block.distances)
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
    pub(super) fn in_chunks(&mut self, device: &Device, dy: &Buffer, notes: &Buffer) -> Walked {
        let mut kept = std::mem::take(&mut self.distant).into_iter();
        let inputs = &self.inputs;
        let like = |buffer: &Buffer| device.buffer_of_parts(buffer.words());
        let mut parts = Parts {
            content: like(&inputs.q),
            distance: like(&inputs.q),
            dk: like(&inputs.k),
            dv: like(&inputs.k),
            dtable: device.upload_f32(&vec![0.0; inputs.table.words()]),
            sigma: like(&self.lse),
        };
        for chunk in inputs.chunks_of_heads(device) {
            let scores = chunk.matrices() * inputs.queries() * inputs.keys();
            let [mut weights, mut ds] = [(); 2].map(|()| device.buffer_of_parts(scores));
            for block in inputs.blocks() {
                let distant = kept.next().unwrap_or_else(|| inputs.distant(device, chunk, block));
                let reads = (dy, notes);
                let writes = (&mut weights, &mut ds, &mut parts);
                self.add_block(device, (chunk, block), distant, reads, writes);
            }
            self.add_chunk(device, chunk, dy, [&weights, &ds], &mut parts);
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

    /// z·p and G of the block, and all that comes of its distances.
    fn add_block(
        &self,
        device: &Device,
        (chunk, block): (Chunk, Block),
        mut distant: Distant,
        (dy, notes): (&Buffer, &Buffer),
        (weights, ds, parts): (&mut Buffer, &mut Buffer, &mut Parts),
    ) {
        let inputs = &self.inputs;
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
                weights,
                ds,
            },
            inputs.lanes_of(chunk, block, 5),
        );
        let (shifted, width) = (distant.products, inputs.params.width as usize);
        // The rows of all items meet the same distances.
        let rows = chunk.items * block.queries;
        let product = times(chunk.heads, [rows, block.distances, width]);
        let (part, _) = product.run(device, &shifted, &distant.table, Finish::Plain);
        let of_queries = inputs.heads(inputs.queries()).of_tokens(block.first_query, block.queries);
        of_queries.scatter(device, chunk, &part, &mut parts.distance);
        let product = transposed_times(chunk.heads, [block.distances, rows, width]);
        let (part, _) = product.run(device, &shifted, &distant.queries, Finish::Plain);
        let of_table = inputs.table_of(block);
        of_table.scatter_add(device, chunk.of_table(), &part, &mut parts.dtable);
    }

    /// What comes of the chunk's keys.
    fn add_chunk(
        &self,
        device: &Device,
        chunk: Chunk,
        dy: &Buffer,
        [weights, ds]: [&Buffer; 2],
        parts: &mut Parts,
    ) {
        let inputs = &self.inputs;
        let (queries, keys) = (inputs.queries(), inputs.keys());
        let (of_queries, of_keys) = (inputs.heads(queries), inputs.heads(keys));
        let (width, matrices) = (inputs.params.width as usize, chunk.matrices());

        let k = of_keys.gather(device, chunk, &inputs.k);
        let product = times(matrices, [queries, keys, width]);
        let (part, _) = product.run(device, ds, &k, Finish::Plain);
        of_queries.scatter(device, chunk, &part, &mut parts.content);

        let to_keys = transposed_times(matrices, [keys, queries, width]);
        let q = of_queries.gather_biased(device, chunk, &inputs.q, &inputs.content_bias);
        let (part, _) = to_keys.run(device, ds, &q, Finish::Plain);
        of_keys.scatter(device, chunk, &part, &mut parts.dk);
        let dy = of_queries.gather(device, chunk, dy);
        let (part, _) = to_keys.run(device, weights, &dy, Finish::Plain);
        of_keys.scatter(device, chunk, &part, &mut parts.dv);
    }
}
