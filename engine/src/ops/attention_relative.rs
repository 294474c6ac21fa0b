//! Attention that also sees how far a key lies from the query and whether it is of its segment: XLNet's.

mod backward;
mod chunk;

use self::backward::Saved;
use self::chunk::{Inputs, SegmentInputs};
use super::visibility::Visibility;
use crate::device::{Buffer, Kernel, Launch};
use crate::kernels::attention_relative::{Constants, Forward, Params};
use crate::kernels::relative_segments::{Constants as SegmentConstants, Forward as SegmentSlopes};
use crate::random::{Dropout, dropout_threshold};
use crate::tensor::Tensor;

/// Of the segments' kernels that have a lane an element.
const NO_ROWS: SegmentConstants = SegmentConstants { row_lanes: 1 };

/// What a score knows of the distance between query and key.
#[derive(Clone, Copy, Debug)]
pub struct Distances<'a> {
    /// `[Q + S, A, D]`: r. Row n is for a key that lies S − n tokens before the query; row 0 is never used.
    pub table: &'a Tensor,
    /// `[A, D]`: u, added to a query that meets a key; XLNet's `r_w_bias`.
    pub content_bias: &'a Tensor,
    /// `[A, D]`: w, added to a query that meets a distance; XLNet's `r_r_bias`.
    pub distance_bias: &'a Tensor,
    /// u32 `[B, T]`: which of the Q tokens each query is, below Q; without it query i is token i, and Q is T.
    pub places: Option<&'a Tensor>,
}

/// What a score knows of segments: only whether query and key are of the same.
#[derive(Clone, Copy, Debug)]
pub struct Segments<'a> {
    /// `[2, A, D]`: the vector of keys of the same segment, and of those of another; XLNet's `seg_embed`.
    pub table: &'a Tensor,
    /// `[A, D]`: o, added to a query that meets one of the two; XLNet's `r_s_bias`.
    pub bias: &'a Tensor,
    /// u32 `[B, T]`: the segment of each query.
    pub of_queries: &'a Tensor,
    /// u32 `[B, S]`: the segment of each key.
    pub of_keys: &'a Tensor,
}

/// Mixes the rows of `v` that each query sees, by content, distance and segment: `y = dropout(softmax(s))·v` for every head,
/// `s_ij = ((q_i + u)·k_j + (q_i + w)·r_{j + Q − t_i} + (q_i + o)·m_g)/√D`, g whether the segments differ.
///
/// Keys are memory first, then the Q tokens, so that key S − Q + t is token t itself. Queries are all tokens, or some of
/// them at `places`. Rows that see nothing give 0. Scores exist for some heads at a time, at most 64 MiB of them by
/// distance and half of that by key, twice in backward, and are computed again there.
///
/// # Shapes
/// `q: [B, T, A, D]`, `k, v: [B, S, A, D]` → `[B, T, A, D]`; [`Distances`] and [`Segments`] tell theirs. With causality
/// a token sees memory, itself and what lies before it.
///
/// # Gradients
/// Flows to `q`, `k`, `v`, to table and biases of the distances, and to table and bias of the segments. Keeps the inputs
/// and two floats a row and head.
///
/// # Panics
/// If shapes do not fit, or there are no keys or no channels.
///
/// # Source
/// Yang et al. 2019, arXiv:1906.08237, §2.2 to §2.5. Kernels `shaders/attention_relative.wgsl`, `relative_segments.wgsl`,
/// `head_major.wgsl` and `matmul.wgsl`.
#[track_caller]
pub fn attention_relative(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    distances: &Distances<'_>,
    segments: Option<&Segments<'_>>,
    visibility: &Visibility,
    dropout: Option<&Dropout>,
) -> Tensor {
    let inputs = Inputs::new([q, k, v], distances, segments, visibility, dropout);
    let device = q.device();
    let Params { batch, queries, heads, .. } = inputs.params;
    let mut y = device.buffer(q.shape().elements());
    let mut lse = device.buffer((batch * queries * heads) as usize);
    for chunk in inputs.chunks(device) {
        let operands = inputs.operands(device, chunk);
        let (mut weights, _) = inputs.scores(device, &operands);
        let words = weights.words();
        device.run(
            Forward {
                params: operands.params,
                constants: Constants { row_lanes: inputs.row_lanes(device) },
                key: &inputs.key,
                weights: &mut weights,
                lse: &mut lse,
            },
            inputs.rows(device, chunk).flops(8 * words).words(5 * words),
        );
        let heads = inputs.heads();
        let values = heads.gather(device, chunk, &inputs.v, inputs.keys());
        let mixed = inputs.mixed(device, chunk, &weights, &values);
        heads.scatter(device, chunk, &mixed, &mut y, inputs.queries());
    }
    let y = Tensor::new(device, q.shape().clone(), y);
    let Distances { table, content_bias, distance_bias, .. } = distances;
    let saved = Saved { inputs, lse };
    match segments {
        None => {
            y.record("attention_relative", [q, k, v, table, content_bias, distance_bias], saved)
        }
        Some(segments) => y.record(
            "attention_relative",
            [q, k, v, table, content_bias, distance_bias, segments.table, segments.bias],
            saved,
        ),
    }
}

impl Inputs {
    /// Checks every shape, and computes what segments add to the scores of each row.
    #[track_caller]
    fn new(
        [q, k, v]: [&Tensor; 3],
        distances: &Distances<'_>,
        segments: Option<&Segments<'_>>,
        visibility: &Visibility,
        dropout: Option<&Dropout>,
    ) -> Self {
        let &[batch, queries, heads, width] = q.shape().axes() else {
            panic!("attention_relative: q is {}, expected [B, T, A, D]", q.shape());
        };
        let keys = *k.shape().axes().get(1).unwrap_or(&0);
        k.expect_shape("attention_relative: k", &[batch, keys, heads, width]);
        v.expect_shape("attention_relative: v", &[batch, keys, heads, width]);
        assert!(
            keys > 0 && width > 0,
            "attention_relative: k is {}, expected keys and channels",
            k.shape()
        );
        let Distances { table, content_bias, distance_bias, places } = distances;
        let rows = table.shape().axes().first().map_or(0, |&rows| rows);
        let tokens = if places.is_some() { rows.saturating_sub(keys) } else { queries };
        table.expect_shape("attention_relative: distances", &[tokens + keys, heads, width]);
        content_bias.expect_shape("attention_relative: content_bias", &[heads, width]);
        distance_bias.expect_shape("attention_relative: distance_bias", &[heads, width]);
        if let Some(places) = places {
            places.expect_shape("attention_relative: places", &[batch, queries]);
        }
        visibility.expect_fit("attention_relative", batch, queries, keys);
        let params = Params {
            batch: batch as u32,
            queries: queries as u32,
            keys: keys as u32,
            heads: heads as u32,
            distances: (tokens + keys) as u32,
            scale: 1.0 / (width as f32).sqrt(),
            causal: visibility.causal.into(),
            has_lengths: visibility.lengths.is_some().into(),
            has_bits: visibility.bits.is_some().into(),
            has_places: places.is_some().into(),
            has_segments: segments.is_some().into(),
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
            width,
            q: q.buffer().clone(),
            k: k.buffer().clone(),
            v: v.buffer().clone(),
            table: table.buffer().clone(),
            content_bias: content_bias.buffer().clone(),
            distance_bias: distance_bias.buffer().clone(),
            lengths: or_any(visibility.lengths.as_ref()),
            bits: or_any(visibility.bits.as_ref()),
            places: or_any(*places),
            key: or_any(dropout.map(|dropout| &dropout.key)),
            segments: segments.map(|segments| segment_inputs(q, segments, keys)),
        }
    }
}

/// The segments' part of the inputs, with the slope of each row.
#[track_caller]
fn segment_inputs(q: &Tensor, segments: &Segments<'_>, keys: usize) -> SegmentInputs {
    let &[batch, queries, heads, width] = q.shape().axes() else {
        unreachable!("the caller has checked q");
    };
    let Segments { table, bias, of_queries, of_keys } = segments;
    table.expect_shape("attention_relative: segments", &[2, heads, width]);
    bias.expect_shape("attention_relative: segment bias", &[heads, width]);
    of_queries.expect_shape("attention_relative: segments of queries", &[batch, queries]);
    of_keys.expect_shape("attention_relative: segments of keys", &[batch, keys]);
    let device = q.device();
    let notes = batch * queries * heads;
    let mut slopes: Buffer = device.buffer(notes);
    let params = crate::params::relative_segments::Params {
        batch: batch as u32,
        queries: queries as u32,
        keys: keys as u32,
        heads: heads as u32,
        width: width as u32,
        first_head: 0,
        some_heads: heads as u32,
        first_item: 0,
        some_items: batch as u32,
    };
    device.run(
        SegmentSlopes {
            params,
            constants: NO_ROWS,
            q: q.buffer(),
            origin: bias.buffer(),
            table: table.buffer(),
            slopes: &mut slopes,
        },
        Launch::lanes(notes, SegmentSlopes::WORKGROUP[0])
            .flops(4 * notes * width)
            .words(notes * width),
    );
    SegmentInputs {
        params,
        table: table.buffer().clone(),
        bias: bias.buffer().clone(),
        of_queries: of_queries.buffer().clone(),
        of_keys: of_keys.buffer().clone(),
        slopes,
    }
}
