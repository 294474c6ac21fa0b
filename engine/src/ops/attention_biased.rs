//! Attention with a matrix added to the scores: positions as T5 learns them, as ALiBi sets them.

use super::elementwise::scale as times_factor;
use super::head_major::{Chunk, Heads, chunks, times, times_transposed, transposed_times};
use super::product::Finish;
use super::row_share::{row_lanes, row_launch};
use super::visibility::Visibility;
use crate::device::{Buffer, Device, Kernel, Launch};
use crate::kernels::attention_biased::{
    Backward as BackwardKernel, BackwardBias, Constants, Forward, Params,
};
use crate::random::{Dropout, dropout_threshold};
use crate::tensor::{Backward, Tensor};

/// Mixes the rows of `v` that each query sees: `y = dropout(softmax(scale·q·kᵀ + bias))·v` for every head.
///
/// Rows that see nothing give 0, and a bias of −10³⁰ or less hides as `visibility` does. `scale` is 1/√D as a rule and in
/// ALiBi, 1 in T5. With a bias of 0 and a scale of 1/√D this is [`attention`](super::attention), dropout included. Scores
/// exist for some heads at a time, at most 64 MiB of them, or those of one head of one item if these are more; twice in
/// backward, where they are computed again.
///
/// # Shapes
/// `q: [B, T, A, D]`, `k, v: [B, S, A, D]`, `bias: [B or 1, A or 1, T, S]` → `[B, T, A, D]`.
///
/// # Gradients
/// Flows to `q`, `k`, `v` and `bias`; that of `bias` is summed over the items and heads that share it, in order. Keeps the
/// inputs and one float a row and head.
///
/// # Panics
/// If shapes do not fit, or one is empty.
///
/// # Source
/// Raffel et al. 2020, arXiv:1910.10683, §2.1; Press et al. 2022, arXiv:2108.12409, §3. Kernels
/// `shaders/attention_biased.wgsl`, `head_major*.wgsl` and `matmul.wgsl`.
#[track_caller]
pub fn attention_biased(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    bias: &Tensor,
    scale: f32,
    visibility: &Visibility,
    dropout: Option<&Dropout>,
) -> Tensor {
    let inputs = Inputs::new([q, k, v, bias], scale, visibility, dropout);
    let device = q.device();
    let (queries, keys) = (inputs.queries(), inputs.keys());
    let [of_queries, of_keys] = [queries, keys].map(|tokens| inputs.heads(tokens));
    let mut y = device.buffer_of_parts(q.shape().elements());
    let mut lse = device.buffer_of_parts(inputs.q.words() / inputs.width);
    for chunk in inputs.chunks(device) {
        let q = of_queries.gather(device, chunk, &inputs.q);
        let k = of_keys.gather(device, chunk, &inputs.k);
        let mut weights = inputs.products(device, chunk, &q, &k);
        let words = weights.words();
        device.run(
            Forward {
                params: inputs.of_chunk(chunk),
                constants: inputs.shared(device),
                bias: &inputs.bias,
                lengths: &inputs.lengths,
                bits: &inputs.bits,
                key: &inputs.key,
                weights: &mut weights,
                lse: &mut lse,
            },
            inputs.rows(device, chunk).flops(10 * words).words(6 * words),
        );
        let values = of_keys.gather(device, chunk, &inputs.v);
        let product = times(chunk.matrices(), [queries, keys, inputs.width]);
        let (mixed, _) = product.run(device, &weights, &values, Finish::Plain);
        of_queries.scatter(device, chunk, &mixed, &mut y);
    }
    let y = Tensor::new(device, q.shape().clone(), y);
    y.record("attention_biased", [q, k, v, bias], Saved { inputs, lse })
}

/// What both directions read.
struct Inputs {
    /// Of all heads and items.
    params: Params,
    /// B.
    batch: usize,
    /// D.
    width: usize,
    q: Buffer,
    k: Buffer,
    v: Buffer,
    bias: Buffer,
    lengths: Buffer,
    bits: Buffer,
    key: Buffer,
}

impl Inputs {
    /// Checks every shape.
    #[track_caller]
    fn new(
        [q, k, v, bias]: [&Tensor; 4],
        scale: f32,
        visibility: &Visibility,
        dropout: Option<&Dropout>,
    ) -> Self {
        let &[batch, queries, heads, width] = q.shape().axes() else {
            panic!("attention_biased: q is {}, expected [B, T, A, D]", q.shape());
        };
        let keys = *k.shape().axes().get(1).unwrap_or(&0);
        k.expect_shape("attention_biased: k", &[batch, keys, heads, width]);
        v.expect_shape("attention_biased: v", &[batch, keys, heads, width]);
        assert!(
            q.shape().elements() > 0 && keys > 0,
            "attention_biased: q is {} and k {}, expected no empty axis",
            q.shape(),
            k.shape()
        );
        let one_or = |all: usize, axis: usize| {
            if bias.shape().axes().get(axis) == Some(&1) { 1 } else { all }
        };
        let (bias_items, bias_heads) = (one_or(batch, 0), one_or(heads, 1));
        bias.expect_shape("attention_biased: bias", &[bias_items, bias_heads, queries, keys]);
        visibility.expect_fit("attention_biased", batch, queries, keys);
        let params = Params {
            queries: queries as u32,
            keys: keys as u32,
            heads: heads as u32,
            bias_items: bias_items as u32,
            bias_heads: bias_heads as u32,
            scale,
            causal: visibility.causal.into(),
            has_lengths: visibility.lengths.is_some().into(),
            has_bits: visibility.bits.is_some().into(),
            threshold: dropout.map_or(0, |dropout| dropout_threshold(dropout.probability)),
            keep_scale: dropout.map_or(1.0, |dropout| 1.0 / (1.0 - dropout.probability)),
            site: dropout.map_or(0, |dropout| dropout.site),
            first_row: dropout.map_or(0, |dropout| dropout.first_row),
            first_head: 0,
            some_heads: heads as u32,
            first_item: 0,
            some_items: batch as u32,
        };
        // What is absent is never read; any buffer may stand in its place.
        let or_any = |tensor: Option<&Tensor>| tensor.unwrap_or(q).buffer().clone();
        Self {
            params,
            batch,
            width,
            q: q.buffer().clone(),
            k: k.buffer().clone(),
            v: v.buffer().clone(),
            bias: bias.buffer().clone(),
            lengths: or_any(visibility.lengths.as_ref()),
            bits: or_any(visibility.bits.as_ref()),
            key: or_any(dropout.map(|dropout| &dropout.key)),
        }
    }

    fn queries(&self) -> usize {
        self.params.queries as usize
    }

    fn keys(&self) -> usize {
        self.params.keys as usize
    }

    /// The heads of q, k, v and y.
    fn heads(&self, tokens: usize) -> Heads {
        Heads::new([tokens, self.params.heads as usize, self.width])
    }

    fn chunks(&self, device: &Device) -> Vec<Chunk> {
        let extents = [self.batch, self.params.heads as usize];
        chunks(device, extents, self.queries() * self.keys())
    }

    /// How many lanes share a row of scores.
    fn shared(&self, device: &Device) -> Constants {
        Constants { row_lanes: row_lanes(device, self.keys(), Forward::WORKGROUP[0]) }
    }

    /// Workgroups for the rows of the chunk.
    fn rows(&self, device: &Device, chunk: Chunk) -> Launch {
        let Constants { row_lanes } = self.shared(device);
        row_launch(chunk.matrices() * self.queries(), row_lanes, Forward::WORKGROUP[0])
    }

    fn of_chunk(&self, chunk: Chunk) -> Params {
        Params {
            first_head: chunk.first_head as u32,
            some_heads: chunk.heads as u32,
            first_item: chunk.first_item as u32,
            some_items: chunk.items as u32,
            ..self.params
        }
    }

    /// `[.., T, S]`: `rows` `[.., T, D]`, each with each of `others` `[.., S, D]`.
    fn products(&self, device: &Device, chunk: Chunk, rows: &Buffer, others: &Buffer) -> Buffer {
        let extents = [self.queries(), self.width, self.keys()];
        let product = times_transposed(chunk.matrices(), extents);
        product.run(device, rows, others, Finish::Plain).0
    }
}

/// What backward needs to make any weight again: the inputs and one float a row and head.
struct Saved {
    inputs: Inputs,
    lse: Buffer,
}

impl Backward<4> for Saved {
    fn backward(self: Box<Self>, dy: &Tensor, wants: [bool; 4]) -> [Option<Tensor>; 4] {
        let device = dy.device();
        let inputs = &self.inputs;
        let like = [&inputs.q, &inputs.k, &inputs.v, &inputs.bias];
        let mut parts: [Option<Buffer>; 4] =
            std::array::from_fn(|at| wants[at].then(|| device.buffer_of_parts(like[at].words())));
        for chunk in inputs.chunks(device) {
            self.add_chunk(device, chunk, dy.buffer(), &mut parts);
        }
        let Params { scale, bias_items, bias_heads, .. } = inputs.params;
        let tensor = |part: Option<Buffer>, shape: [usize; 4]| {
            part.map(|buffer| Tensor::new(device, shape, buffer))
        };
        // The kernels give the gradients of products that are not scaled yet.
        let scaled = |part: Tensor| if scale == 1.0 { part } else { times_factor(&part, scale) };
        let of_rows =
            |rows: usize| [inputs.batch, rows, inputs.params.heads as usize, inputs.width];
        let of_bias = [bias_items as usize, bias_heads as usize, inputs.queries(), inputs.keys()];
        let [dq, dk, dv, dbias] = parts;
        [
            tensor(dq, of_rows(inputs.queries())).map(scaled),
            tensor(dk, of_rows(inputs.keys())).map(scaled),
            tensor(dv, of_rows(inputs.keys())),
            tensor(dbias, of_bias),
        ]
    }
}

impl Saved {
    /// The chunk's share of every part that is wanted; those of q and k before they are scaled.
    fn add_chunk(
        &self,
        device: &Device,
        chunk: Chunk,
        dy: &Buffer,
        [dq, dk, dv, dbias]: &mut [Option<Buffer>; 4],
    ) {
        let inputs = &self.inputs;
        let (queries, keys) = (inputs.queries(), inputs.keys());
        let [of_queries, of_keys] = [queries, keys].map(|tokens| inputs.heads(tokens));
        let (width, matrices) = (inputs.width, chunk.matrices());
        let [q, dy] = [&inputs.q, dy].map(|x| of_queries.gather(device, chunk, x));
        let [k, v] = [&inputs.k, &inputs.v].map(|x| of_keys.gather(device, chunk, x));
        let mut weights = inputs.products(device, chunk, &q, &k);
        let mut ds = inputs.products(device, chunk, &dy, &v);
        drop(v);
        let words = weights.words();
        device.run(
            BackwardKernel {
                params: inputs.of_chunk(chunk),
                constants: inputs.shared(device),
                bias: &inputs.bias,
                lengths: &inputs.lengths,
                bits: &inputs.bits,
                key: &inputs.key,
                lse: &self.lse,
                weights: &mut weights,
                ds: &mut ds,
            },
            inputs.rows(device, chunk).flops(10 * words).words(9 * words),
        );
        // Now weights are z·p, and ds is G.
        if let Some(dbias) = dbias {
            self.add_bias(device, chunk, &ds, dbias);
        }
        if let Some(dq) = dq {
            let product = times(matrices, [queries, keys, width]);
            let (part, _) = product.run(device, &ds, &k, Finish::Plain);
            of_queries.scatter(device, chunk, &part, dq);
        }
        let to_keys = transposed_times(matrices, [keys, queries, width]);
        for (part, left, right) in [(dk, &ds, &q), (dv, &weights, &dy)] {
            if let Some(part) = part {
                let (product, _) = to_keys.run(device, left, right, Finish::Plain);
                of_keys.scatter(device, chunk, &product, part);
            }
        }
    }

    /// The chunk's share of the bias's gradient: set by the first chunk that meets a matrix, added to by later ones.
    fn add_bias(&self, device: &Device, chunk: Chunk, ds: &Buffer, dbias: &mut Buffer) {
        let inputs = &self.inputs;
        let params = inputs.of_chunk(chunk);
        let own = |bias: u32, some: usize| if bias == 1 { 1 } else { some };
        let matrices = own(params.bias_heads, chunk.heads) * own(params.bias_items, chunk.items);
        let words = matrices * inputs.queries() * inputs.keys();
        let launch = Launch::lanes(words, BackwardBias::WORKGROUP[0]);
        let launch = launch.flops(ds.words()).words(ds.words() + 2 * words);
        let constants = inputs.shared(device);
        device.run(BackwardBias { params, constants, ds, dbias }, launch);
    }
}
