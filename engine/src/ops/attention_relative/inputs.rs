//! What every kernel of relative attention reads: checked, and packed where a stage could not bind it all.

use super::{CHUNK_CHANNELS, Distances, SEGMENT_ROWS, Segments};
use crate::device::{Buffer, Kernel, Launch};
use crate::kernels::attention_relative::{Constants, ForwardNotes, Params};
use crate::kernels::relative_segments::{Forward as SegmentSlopes, Params as SegmentParams};
use crate::ops::concat;
use crate::ops::visibility::Visibility;
use crate::random::{Dropout, dropout_threshold};
use crate::tensor::{Tensor, no_grad};

/// What both directions read.
#[derive(Clone)]
pub(super) struct Inputs {
    pub params: Params,
    pub q: Buffer,
    pub k: Buffer,
    pub v: Buffer,
    /// r.
    pub table: Buffer,
    /// u.
    pub content_bias: Buffer,
    /// w.
    pub distance_bias: Buffer,
    /// `[2, A, D]`: both.
    pub biases: Buffer,
    /// Masks, distances, e and the key of dropout, as `shaders/shared/relative_notes.wgsl` reads them.
    pub notes: Buffer,
    pub segments: Option<SegmentInputs>,
}

/// What the gradients of segments need.
#[derive(Clone)]
pub(super) struct SegmentInputs {
    pub params: SegmentParams,
    pub table: Buffer,
    pub bias: Buffer,
}

impl Inputs {
    /// Checks every shape, and packs the notes.
    #[track_caller]
    pub fn new(
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
            queries > 0 && keys > 0,
            "attention_relative: q is {} and k {}, expected a token in each",
            q.shape(),
            k.shape()
        );
        assert!(
            width % 4 == 0 && (4..=128).contains(&width),
            "attention_relative: a head has {width} channels, expected a multiple of 4 up to 128"
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
        let device = q.device();
        let params = Params {
            batch: batch as u32,
            queries: queries as u32,
            keys: keys as u32,
            heads: heads as u32,
            width: width as u32,
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
            first_item: 0,
            some_items: batch as u32,
            first_query: 0,
            some_queries: queries as u32,
            first_distance: 0,
            some_distances: (tokens + keys) as u32,
        };
        let (segment_inputs, slopes) = segments.map(|it| SegmentInputs::new(q, it, keys)).unzip();
        // What is absent is never read; anything may stand in its place.
        let any = device.buffer(2);
        let or_any =
            |tensor: Option<&Tensor>| tensor.map_or_else(|| any.clone(), |it| it.buffer().clone());
        let words = batch * queries * (2 + 4 * keys.div_ceil(32) + heads) + 4;
        let mut notes = device.buffer(words);
        device.run(
            ForwardNotes {
                params,
                constants: Constants { chunks: params.width.div_ceil(CHUNK_CHANNELS) },
                lengths: &or_any(visibility.lengths.as_ref()),
                bits: &or_any(visibility.bits.as_ref()),
                places: &or_any(*places),
                query_segments: &or_any(segments.map(|it| it.of_queries)),
                key_segments: &or_any(segments.map(|it| it.of_keys)),
                slopes: slopes.as_ref().unwrap_or(&any),
                key: &or_any(dropout.map(|it| &it.key)),
                packed: &mut notes,
            },
            Launch::lanes(words, ForwardNotes::WORKGROUP[0]).words(2 * words),
        );
        let biases = no_grad(|| concat(&[content_bias, distance_bias], 0));
        Self {
            params,
            q: q.buffer().clone(),
            k: k.buffer().clone(),
            v: v.buffer().clone(),
            table: table.buffer().clone(),
            content_bias: content_bias.buffer().clone(),
            distance_bias: distance_bias.buffer().clone(),
            biases: biases.buffer().clone(),
            notes,
            segments: segment_inputs,
        }
    }

    pub fn queries(&self) -> usize {
        self.params.queries as usize
    }

    /// Rows of the table.
    pub fn distances(&self) -> usize {
        self.params.distances as usize
    }

    pub fn keys(&self) -> usize {
        self.params.keys as usize
    }
}

impl SegmentInputs {
    /// Checks the shapes; with them e of each row, `[B, T, A]`.
    #[track_caller]
    fn new(q: &Tensor, segments: &Segments<'_>, keys: usize) -> (Self, Buffer) {
        let &[batch, queries, heads, width] = q.shape().axes() else {
            unreachable!("the caller has checked q");
        };
        let Segments { table, bias, of_queries, of_keys } = segments;
        table.expect_shape("attention_relative: segments", &[2, heads, width]);
        bias.expect_shape("attention_relative: segment bias", &[heads, width]);
        of_queries.expect_shape("attention_relative: segments of queries", &[batch, queries]);
        of_keys.expect_shape("attention_relative: segments of keys", &[batch, keys]);
        let params = SegmentParams {
            batch: batch as u32,
            queries: queries as u32,
            heads: heads as u32,
            width: width as u32,
        };
        let rows = batch * queries * heads;
        let mut slopes = q.device().buffer(rows);
        q.device().run(
            SegmentSlopes {
                params,
                q: q.buffer(),
                origin: bias.buffer(),
                table: table.buffer(),
                slopes: &mut slopes,
            },
            Launch::lanes(
                (batch * queries).div_ceil(SEGMENT_ROWS) * heads,
                SegmentSlopes::WORKGROUP[0],
            )
            .flops(4 * rows * width)
            .words(rows * width),
        );
        (Self { params, table: table.buffer().clone(), bias: bias.buffer().clone() }, slopes)
    }
}
