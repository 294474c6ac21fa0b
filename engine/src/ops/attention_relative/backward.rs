//! The way back: the weights of each chunk again, then a product for each gradient.

use super::super::head_major::{Chunk, times, times_transposed, transposed_times};
use super::super::product::Finish;
use super::super::{add, column_sums};
use super::NO_ROWS;
use super::chunk::{Inputs, Operands, SegmentInputs};
use crate::device::{Buffer, Device, Kernel, Launch};
use crate::kernels::attention_relative::{Backward as BackwardKernel, Constants};
use crate::kernels::relative_segments::{
    BackwardQueries, BackwardRows, BackwardTable, Constants as SegmentConstants,
    Params as SegmentParams,
};
use crate::tensor::{Backward, Tensor};

/// What backward needs to make any weight again: the inputs, and one float a row and head beside the slopes.
pub(super) struct Saved {
    pub inputs: Inputs,
    pub lse: Buffer,
}

/// Six parents, or eight with segments.
impl<const N: usize> Backward<N> for Saved {
    fn backward(self: Box<Self>, dy: &Tensor, wants: [bool; N]) -> [Option<Tensor>; N] {
        let gradients = self.gradients(dy, &wants);
        let mut gradients = gradients.into_iter().zip(wants);
        std::array::from_fn(|_| {
            let (gradient, wanted) = gradients.next().expect("eight are at least N");
            gradient.filter(|_| wanted)
        })
    }
}

/// What the chunks write, `None` where it is not wanted.
struct Parts {
    /// `[B, T, A, D]`: the gradient of q + u, that of q + w.
    content: Option<Buffer>,
    distance: Option<Buffer>,
    dk: Option<Buffer>,
    dv: Option<Buffer>,
    dtable: Option<Buffer>,
    /// `[B, T, A]`.
    sigma: Option<Buffer>,
}

impl Saved {
    /// Those of q, k, v, r, u and w, then of the table and the bias of segments; more than is wanted may be there.
    fn gradients(&self, dy: &Tensor, wants: &[bool]) -> [Option<Tensor>; 8] {
        let device = dy.device();
        let inputs = &self.inputs;
        let wanted = |parents: &[usize]| {
            parents.iter().any(|&parent| wants.get(parent).copied().unwrap_or(false))
        };
        let of_segments = inputs.segments.is_some() && wanted(&[0, 6, 7]);
        let buffer =
            |is_wanted: bool, like: &Buffer| is_wanted.then(|| device.buffer(like.words()));
        let mut parts = Parts {
            content: buffer(of_segments || wanted(&[0, 4]), &inputs.q),
            distance: buffer(of_segments || wanted(&[0, 5]), &inputs.q),
            dk: buffer(wanted(&[1]), &inputs.k),
            dv: buffer(wanted(&[2]), &inputs.v),
            dtable: buffer(wanted(&[3]), &inputs.table),
            sigma: buffer(of_segments, &self.lse),
        };
        for chunk in inputs.chunks(device) {
            self.add_chunk(device, chunk, dy.buffer(), &mut parts);
        }
        let Parts { content, distance, dk, dv, dtable, sigma } = parts;
        let [batch, heads] = [inputs.params.batch, inputs.params.heads].map(|n| n as usize);
        let of_rows = |rows: usize| {
            let shape = [batch, rows, heads, inputs.width];
            move |buffer: Buffer| Tensor::new(device, shape, buffer)
        };
        let [content, distance] =
            [content, distance].map(|part| part.map(of_rows(inputs.queries())));
        let sums = |part: &Option<Tensor>| {
            let flat =
                |part: &Tensor| part.reshape([batch * inputs.queries(), heads * inputs.width]);
            part.as_ref().map(|part| column_sums(&flat(part)).reshape([heads, inputs.width]))
        };
        let (du, dw) = (sums(&content), sums(&distance));
        let dq = content.zip(distance).map(|(content, distance)| add(&content, &distance));
        let (dq, segments) = match (&inputs.segments, dq, sigma) {
            (Some(segments), Some(dq), Some(sigma)) => {
                let (dq, table, bias) = segments.gradients(device, &inputs.q, dq, sigma);
                (Some(dq), Some((table, bias)))
            }
            (_, dq, _) => (dq, None),
        };
        let (segment_table, segment_bias) = segments.unzip();
        let dk = dk.map(of_rows(inputs.keys()));
        let dv = dv.map(of_rows(inputs.keys()));
        let shape = [inputs.distances(), heads, inputs.width];
        let dtable = dtable.map(|dtable| Tensor::new(device, shape, dtable));
        [dq, dk, dv, dtable, du, dw, segment_table, segment_bias]
    }

    /// The chunk's share of every part that is wanted.
    fn add_chunk(&self, device: &Device, chunk: Chunk, dy: &Buffer, parts: &mut Parts) {
        let inputs = &self.inputs;
        let heads = inputs.heads();
        let [queries, keys, distances] = [inputs.queries(), inputs.keys(), inputs.distances()];
        let (width, matrices) = (inputs.width, chunk.matrices());
        let operands = inputs.operands(device, chunk);
        let dy = heads.gather(device, chunk, dy, queries);
        let (weights, ds, shifted) = self.score_gradients(device, &operands, &dy);

        if let Some(content) = &mut parts.content {
            let part = inputs.mixed(device, chunk, &ds, &operands.content);
            heads.scatter(device, chunk, &part, content, queries);
        }
        // The rows of all items meet the same distances.
        let rows = chunk.items * queries;
        if let Some(distance) = &mut parts.distance {
            let product = times(chunk.heads, [rows, distances, width]);
            let (part, _) = product.run(device, &shifted, &operands.distance, Finish::Plain);
            heads.scatter(device, chunk, &part, distance, queries);
        }
        if let Some(dtable) = &mut parts.dtable {
            let product = transposed_times(chunk.heads, [distances, rows, width]);
            let (part, _) = product.run(device, &shifted, &operands.for_distance, Finish::Plain);
            let of_table = chunk.of_table();
            if chunk.first_item == 0 {
                heads.scatter(device, of_table, &part, dtable, distances);
            } else {
                heads.scatter_add(device, of_table, &part, dtable, distances);
            }
        }
        let to_keys = transposed_times(matrices, [keys, queries, width]);
        if let Some(dk) = &mut parts.dk {
            let (part, _) = to_keys.run(device, &ds, &operands.for_content, Finish::Plain);
            heads.scatter(device, chunk, &part, dk, keys);
        }
        if let Some(dv) = &mut parts.dv {
            let (part, _) = to_keys.run(device, &weights, &dy, Finish::Plain);
            heads.scatter(device, chunk, &part, dv, keys);
        }
        if let (Some(sigma), Some(segments)) = (&mut parts.sigma, &inputs.segments) {
            let kernel = BackwardRows {
                params: segments.of_chunk(chunk),
                constants: SegmentConstants { row_lanes: inputs.row_lanes(device) },
                query_segments: &segments.of_queries,
                key_segments: &segments.of_keys,
                ds: &ds,
                sigma,
            };
            device.run(kernel, inputs.rows(device, chunk).flops(ds.words()).words(ds.words()));
        }
    }

    /// z·p, G, and G by distance.
    fn score_gradients(
        &self,
        device: &Device,
        operands: &Operands,
        dy: &Buffer,
    ) -> (Buffer, Buffer, Buffer) {
        let inputs = &self.inputs;
        let chunk = operands.chunk;
        let (mut weights, mut shifted) = inputs.scores(device, operands);
        let values = inputs.heads().gather(device, chunk, &inputs.v, inputs.keys());
        let product =
            times_transposed(chunk.matrices(), [inputs.queries(), inputs.width, inputs.keys()]);
        let (mut ds, _) = product.run(device, dy, &values, Finish::Plain);
        let words = weights.words();
        device.run(
            BackwardKernel {
                params: operands.params,
                constants: Constants { row_lanes: inputs.row_lanes(device) },
                places: &inputs.places,
                key: &inputs.key,
                lse: &self.lse,
                weights: &mut weights,
                ds: &mut ds,
                shifted: &mut shifted,
            },
            inputs.rows(device, chunk).flops(10 * words).words(6 * words + inputs.distances()),
        );
        (weights, ds, shifted)
    }
}

impl SegmentInputs {
    fn of_chunk(&self, chunk: Chunk) -> SegmentParams {
        SegmentParams {
            first_head: chunk.first_head as u32,
            some_heads: chunk.heads as u32,
            first_item: chunk.first_item as u32,
            some_items: chunk.items as u32,
            ..self.params
        }
    }

    /// `dq` with the segments' part, and the gradients of table and bias.
    fn gradients(
        &self,
        device: &Device,
        q: &Buffer,
        dq: Tensor,
        sigma: Buffer,
    ) -> (Tensor, Tensor, Tensor) {
        let params = self.params;
        let [batch, queries, heads, width] =
            [params.batch, params.queries, params.heads, params.width].map(|n| n as usize);
        let (rows, plane, words) = (batch * queries, heads * width, q.words());
        let shape = dq.shape().clone();
        let mut dq = dq.buffer().clone();
        let mut touched = device.buffer(words);
        let kernel = BackwardQueries {
            params,
            constants: NO_ROWS,
            q,
            origin: &self.bias,
            table: &self.table,
            sigma: &sigma,
            dq: &mut dq,
            touched: &mut touched,
        };
        device.run(
            kernel,
            Launch::lanes(words, BackwardQueries::WORKGROUP[0]).flops(4 * words).words(4 * words),
        );
        let touched_sum = column_sums(&Tensor::new(device, [rows, plane], touched));
        let sigma_sum = column_sums(&Tensor::new(device, [rows, heads], sigma));
        let (mut dorigin, mut dtable) = (device.buffer(plane), device.buffer(2 * plane));
        let kernel = BackwardTable {
            params,
            constants: NO_ROWS,
            table: &self.table,
            sigma_sum: sigma_sum.buffer(),
            touched_sum: touched_sum.buffer(),
            dorigin: &mut dorigin,
            dtable: &mut dtable,
        };
        device.run(
            kernel,
            Launch::lanes(plane, BackwardTable::WORKGROUP[0]).flops(2 * plane).words(6 * plane),
        );
        let dtable = Tensor::new(device, [2, heads, width], dtable);
        let dorigin = Tensor::new(device, [heads, width], dorigin);
        (Tensor::new(device, shape, dq), dtable, dorigin)
    }
}
