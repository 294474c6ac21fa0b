//! Attention that also sees how far a key lies from the query and whether it is of its segment: XLNet's.

mod backward;
mod emulated;
mod inputs;

use self::backward::Saved;
use self::emulated::Distant;
use self::inputs::Inputs;
use super::attention::{BLOCK_CHANNELS, is_emulated};
use super::cast::converted;
use super::visibility::Visibility;
use crate::device::{Buffer, Device, Format, Launch};
use crate::kernels::attention_relative::{Constants, Forward};
use crate::random::Dropout;
use crate::tensor::Tensor;

/// Rows that one workgroup owns, in the forward and in the three walks of the backward.
const TILE_ROWS: usize = 64;
/// Channels of a chunk of the head's width.
const CHUNK_CHANNELS: u32 = 32;
/// Rows of B·T that a lane of `shaders/relative_segments.wgsl` owns.
const SEGMENT_ROWS: usize = 4;

/// What a score knows of the distance between query and key.
#[derive(Clone, Copy, Debug)]
pub struct Distances<'a> {
    /// `[Q + S, A, D]`: r. Row n is for a key that lies S − n tokens before the query; places below Q never use row 0.
    pub table: &'a Tensor,
    /// `[A, D]`: u, added to a query that meets a key; XLNet's `r_w_bias`.
    pub content_bias: &'a Tensor,
    /// `[A, D]`: w, added to a query that meets a distance; XLNet's `r_r_bias`.
    pub distance_bias: &'a Tensor,
    /// u32 `[B, T]`: which of the Q tokens each query is; without it query i is token i, and Q is T. Values are not checked:
    /// from Q on all count as Q, a token behind the last, whose distance to key 0 is the table's row 0.
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
/// them at `places`. Rows that see nothing give 0. Scores and weights are recomputed tile by tile and never stored,
/// but on emulated GPUs, where they exist for some heads at a time: by distance for some queries, and in backward by key, at
/// most 64 MiB or one head of one item.
///
/// # Shapes
/// `q: [B, T, A, D]`, `k, v: [B, S, A, D]` → `[B, T, A, D]`, D a multiple of 4 up to 128, all f32 or all f16; [`Distances`]
/// and [`Segments`] tell theirs, which are f32. With causality a token sees memory, itself and what lies before it.
///
/// # Gradients
/// Flows to `q`, `k`, `v`, to table and biases of the distances, and to table and bias of the segments. Keeps the inputs, `y`,
/// two floats a row and head, and four bits a score of one head: two that say something, in 16-bit halves that lie in an f32
/// each. Backward holds a second copy of these while it runs. On emulated GPUs also the products with distances, with q + w and
/// r that they are made of, where a query meets no more than 4·D distances: T up to 192 at D = 64.
///
/// # Panics
/// If shapes do not fit, T or S is 0, or D is no multiple of 4 from 4 to 128.
///
/// # Source
/// Yang et al. 2019, arXiv:1906.08237, §2.2 to §2.5. Kernels `shaders/attention_relative*.wgsl`, `relative_segments.wgsl`.
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
    let Distances { table, content_bias, distance_bias, .. } = distances;
    let parents = [q, k, v, table, content_bias, distance_bias];
    let of_segments = segments.iter().flat_map(|it| [it.table, it.bias]);
    let wants_gradient = parents.into_iter().chain(of_segments).any(Tensor::wants_gradient);
    let (y, lse, distant) = inputs.forward(device, wants_gradient);
    let saved = Saved { inputs, y: y.clone(), lse, distant };
    let y = Tensor::new(device, q.shape().clone(), y);
    let Some(segments) = segments else {
        return y.record("attention_relative", parents, saved);
    };
    let [q, k, v, table, content_bias, distance_bias] = parents;
    let parents = [q, k, v, table, content_bias, distance_bias, segments.table, segments.bias];
    y.record("attention_relative", parents, saved)
}

impl Inputs {
    /// y, L of every row, and what emulated GPUs keep for backward.
    fn forward(&self, device: &Device, wants_gradient: bool) -> (Buffer, Buffer, Vec<Distant>) {
        if let Some(wide) = self.widened(device) {
            let (y, lse, distant) = wide.forward(device, wants_gradient);
            return (converted(device, &y, Format::Half), lse, distant);
        }
        let Self { params, q, k, v, table, biases, notes, .. } = self;
        let rows = (params.batch * params.queries * params.heads) as usize;
        if is_emulated(device) {
            let [mut y, mut lse] = [q.words(), rows].map(|words| device.buffer_of_parts(words));
            let distant = self.forward_in_chunks(device, &mut y, &mut lse, wants_gradient);
            return (y, lse, distant);
        }
        let (mut y, mut lse) = (device.buffer_like(q), device.buffer(rows));
        device.run(
            Forward {
                params: *params,
                constants: Constants { chunks: self.chunks(device) },
                q,
                k,
                v,
                table,
                biases,
                notes,
                y: &mut y,
                lse: &mut lse,
            },
            self.tiles(self.queries())
                .flops(3 * self.product())
                .words(2 * (q.elements() + k.elements()) + table.words()),
        );
        (y, lse, Vec::new())
    }

    /// The same in f32, where they are f16 and the kernels add up in the memory of their results.
    fn widened(&self, device: &Device) -> Option<Self> {
        let takes = !is_emulated(device) || self.q.format() == Format::Word;
        let wide = |buffer| converted(device, buffer, Format::Word);
        (!takes).then(|| Self {
            q: wide(&self.q),
            k: wide(&self.k),
            v: wide(&self.v),
            ..self.clone()
        })
    }

    /// FLOPs of one product of `[T, D]` with `[D, S]` for every item and head.
    fn product(&self) -> usize {
        2 * self.q.elements() * self.keys()
    }

    /// ⌈D/32⌉; 4 for the software variants, which need not be compiled for each width.
    fn chunks(&self, device: &Device) -> u32 {
        if is_emulated(device) { 4 } else { self.params.width.div_ceil(CHUNK_CHANNELS) }
    }

    /// One workgroup per tile of `rows`, block of channels, head and item.
    fn tiles(&self, rows: usize) -> Launch {
        let Self { params, .. } = self;
        let blocks = params.width.div_ceil(BLOCK_CHANNELS);
        Launch::groups([rows.div_ceil(TILE_ROWS) as u32, params.heads * blocks, params.batch])
    }
}
