//! Scaled dot-product attention of all heads at once, without the matrix of weights.

use super::visibility::Visibility;
use crate::device::{Buffer, Device, Format, Kernel, Launch};
use crate::kernels::attention::{self as tiled, Constants, Params};
use crate::kernels::attention_backward::{self as walks, BackwardRows};
use crate::kernels::{
    attention_backward_fused as fused, attention_backward_software,
    attention_backward_software_fused, attention_software,
};
use crate::random::{Dropout, dropout_threshold};
use crate::tensor::{Backward, Tensor};

/// Rows that one workgroup owns, in the forward and in both walks of the backward.
const TILE_ROWS: usize = 64;
/// Channels of a chunk of the head's width.
const CHUNK_CHANNELS: u32 = 32;
/// Channels of the results that one workgroup owns.
pub(super) const BLOCK_CHANNELS: u32 = 64;
/// Lanes of one workgroup of `backward_rows`.
const ROW_LANES: u32 = BackwardRows::WORKGROUP[0];
/// Lanes of a subgroup for which the software variants are written: 256-bit vectors of f32.
const EMULATED_SUBGROUP: u32 = 8;
/// Widest head of which emulated lanes hold arrays, in the forward and in the walk that is both.
pub(super) const EMULATED_WIDTH: u32 = 64;
/// Rounds of loops, nested ones together, after which llvmpipe leaves all loops of an invocation without a word.
const EMULATED_ROUNDS: usize = 65_535;

/// Runs an entry point of the tiled shader, or of its variant for emulated GPUs: the same fields, another text.
macro_rules! run {
    ($device:expr, $emulated:expr, $launch:expr, $tiled:ident | $software:ident :: $entry:ident { $($field:ident: $value:expr),+ $(,)? }) => {
        if $emulated {
            $device.run($software::$entry { $($field: $value),+ }, $launch);
        } else {
            $device.run($tiled::$entry { $($field: $value),+ }, $launch);
        }
    };
}

/// Mixes the rows of `v` that each query sees: `y = dropout(softmax(q·kᵀ/√D))·v` for every head.
///
/// Rows that see nothing give 0. Scores and weights are recomputed tile by tile and never stored.
///
/// # Shapes
/// `q: [B, T, A, D]`, `k, v: [B, S, A, D]` → `[B, T, A, D]`, each as a projection `[B, T, A·D]` lies;
/// D is a multiple of 4 up to 128.
///
/// # Gradients
/// Flows to `q`, `k` and `v`. Keeps them, `y`, and one float per row and head.
///
/// # Panics
/// If shapes do not fit, T or S is 0, or D is no multiple of 4 from 4 to 128.
///
/// # Source
/// Vaswani et al. 2017, arXiv:1706.03762, eq. 1. Kernels `shaders/attention.wgsl`, `shaders/attention_backward.wgsl`.
#[track_caller]
pub fn attention(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    visibility: &Visibility,
    dropout: Option<&Dropout>,
) -> Tensor {
    let &[batch, queries, heads, width] = q.shape().axes() else {
        panic!("attention: q is {}, expected [B, T, A, D]", q.shape());
    };
    let keys = *k.shape().axes().get(1).unwrap_or(&0);
    k.expect_shape("attention: k", &[batch, keys, heads, width]);
    v.expect_shape("attention: v", &[batch, keys, heads, width]);
    assert!(
        width % 4 == 0 && (4..=128).contains(&width),
        "attention: a head has {width} channels, expected a multiple of 4 up to 128"
    );
    assert!(
        queries > 0 && keys > 0,
        "attention: q is {} and k {}, expected a token in each",
        q.shape(),
        k.shape()
    );
    visibility.expect_fit("attention", batch, queries, keys);

    let device = q.device();
    let params = Params {
        batch: batch as u32,
        queries: queries as u32,
        keys: keys as u32,
        heads: heads as u32,
        width: width as u32,
        scale: 1.0 / (width as f32).sqrt(),
        causal: visibility.causal.into(),
        has_lengths: visibility.lengths.is_some().into(),
        has_bits: visibility.bits.is_some().into(),
        threshold: dropout.map_or(0, |dropout| dropout_threshold(dropout.probability)),
        keep_scale: dropout.map_or(1.0, |dropout| 1.0 / (1.0 - dropout.probability)),
        site: dropout.map_or(0, |dropout| dropout.site),
        first_row: dropout.map_or(0, |dropout| dropout.first_row),
    };
    // What is absent is never read; anything may stand in its place.
    let or_any = |tensor: Option<&Tensor>| {
        tensor.map_or_else(|| device.buffer(2), |tensor| tensor.buffer().clone())
    };
    let lengths = or_any(visibility.lengths.as_ref());
    let bits = or_any(visibility.bits.as_ref());
    let key = or_any(dropout.map(|dropout| &dropout.key));

    let mut y = q.buffer_like(q.shape().elements());
    let mut lse = device.buffer(batch * heads * queries);
    let emulated = is_emulated(device, q.format());
    let launch = tiles(queries, &params, emulated)
        .flops(2 * products(&params))
        .words(2 * q.shape().elements() + 2 * k.shape().elements());
    run!(
        device,
        emulated,
        launch,
        tiled
            | attention_software::Forward {
                params: params,
                constants: Constants { chunks: forward_chunks(device, q.format(), &params) },
                q: q.buffer(),
                k: k.buffer(),
                v: v.buffer(),
                lengths: &lengths,
                bits: &bits,
                key: &key,
                y: &mut y,
                lse: &mut lse,
            }
    );

    let [q_kept, k_kept, v_kept] = [q, k, v].map(|tensor| tensor.buffer().clone());
    let saved =
        Saved { params, q: q_kept, k: k_kept, v: v_kept, lengths, bits, key, y: y.clone(), lse };
    Tensor::new(device, q.shape().clone(), y).record("attention", [q, k, v], saved)
}

// The three shaders declare the same `Params`, hence the casts; their tests would not survive a difference.

/// What backward needs to make any weight again: the inputs and one float per row and head.
struct Saved {
    params: Params,
    q: Buffer,
    k: Buffer,
    v: Buffer,
    lengths: Buffer,
    bits: Buffer,
    key: Buffer,
    y: Buffer,
    lse: Buffer,
}

impl Backward<3> for Saved {
    fn backward(self: Box<Self>, dy: &Tensor, wants: [bool; 3]) -> [Option<Tensor>; 3] {
        let device = dy.device();
        let [batch, queries, keys, heads, width] = extents(&self.params);
        let notes = self.notes(device, dy.buffer());
        let gradients = if self.walks_once(device, wants) {
            self.in_one_walk(device, dy.buffer(), &notes).map(Some)
        } else {
            let [wants_q, wants_k, wants_v] = wants;
            let dq = wants_q.then(|| self.over_keys(device, dy.buffer(), &notes));
            let of_keys =
                (wants_k || wants_v).then(|| self.over_queries(device, dy.buffer(), &notes));
            let (dk, dv) = of_keys.unzip();
            [dq, dk, dv]
        };
        let mut rows = [queries, keys, keys].into_iter().zip(wants);
        gradients.map(|gradient| {
            let (rows, wanted) = rows.next().expect("q, k and v are three");
            let shape = [batch, rows, heads, width];
            gradient.filter(|_| wanted).map(|buffer| Tensor::new(device, shape, buffer))
        })
    }
}

impl Saved {
    /// What the walks read beside q, k, v and dy, in one buffer.
    fn notes(&self, device: &Device, dy: &Buffer) -> Buffer {
        let [batch, queries, keys, heads, width] = extents(&self.params);
        let rows = batch * heads * queries;
        let halves = self.params.has_bits as usize * batch * queries * keys.div_ceil(32) * 2;
        let words = 4 + batch + 2 * rows + halves;
        let mut notes = device.buffer(words);
        device.run(
            BackwardRows {
                params: bytemuck::cast(self.params),
                constants: walks::Constants {
                    chunks: chunks(device, self.q.format(), &self.params),
                },
                y: &self.y,
                dy,
                lse: &self.lse,
                lengths: &self.lengths,
                bits: &self.bits,
                key: &self.key,
                notes: &mut notes,
            },
            Launch::lanes(words, ROW_LANES)
                .flops(2 * rows * width)
                .words(2 * rows * width + rows + words),
        );
        notes
    }

    /// Room for the gradient of q, k or v.
    fn like(&self, device: &Device, of: &Buffer) -> Buffer {
        device.buffer_of(of.format(), of.elements())
    }

    /// Whether one walk makes all three gradients. It makes every weight once instead of twice, but with one workgroup a
    /// head, which would leave most of a GPU idle. The variant for emulated ones does all of a head in one invocation a
    /// lane, so its loops must end before llvmpipe ends them.
    fn walks_once(&self, device: &Device, wants: [bool; 3]) -> bool {
        let fits = self.params.width <= EMULATED_WIDTH && rounds(&self.params) <= EMULATED_ROUNDS;
        device.is_cpu() || (is_emulated(device, self.q.format()) && wants == [true; 3] && fits)
    }

    /// dq.
    fn over_keys(&self, device: &Device, dy: &Buffer, notes: &Buffer) -> Buffer {
        let mut dq = self.like(device, &self.q);
        let emulated = is_emulated(device, self.q.format());
        let launch = tiles(self.params.queries as usize, &self.params, emulated)
            .flops(3 * products(&self.params))
            .words(3 * self.q.elements() + 2 * self.k.elements());
        run!(
            device,
            emulated,
            launch,
            walks
                | attention_backward_software::BackwardQueries {
                    params: bytemuck::cast(self.params),
                    constants: walks::Constants {
                        chunks: chunks(device, self.q.format(), &self.params)
                    },
                    q: &self.q,
                    k: &self.k,
                    v: &self.v,
                    dy: dy,
                    notes: notes,
                    dq: &mut dq,
                }
        );
        dq
    }

    /// dk and dv.
    fn over_queries(&self, device: &Device, dy: &Buffer, notes: &Buffer) -> (Buffer, Buffer) {
        let (mut dk, mut dv) = (self.like(device, &self.k), self.like(device, &self.k));
        let emulated = is_emulated(device, self.q.format());
        let launch = tiles(self.params.keys as usize, &self.params, emulated)
            .flops(4 * products(&self.params))
            .words(2 * self.q.elements() + 4 * self.k.elements());
        run!(
            device,
            emulated,
            launch,
            walks
                | attention_backward_software::BackwardKeys {
                    params: bytemuck::cast(self.params),
                    constants: walks::Constants {
                        chunks: chunks(device, self.q.format(), &self.params)
                    },
                    q: &self.q,
                    k: &self.k,
                    v: &self.v,
                    dy: dy,
                    notes: notes,
                    dk: &mut dk,
                    dv: &mut dv,
                }
        );
        (dk, dv)
    }

    /// dq, dk and dv.
    fn in_one_walk(&self, device: &Device, dy: &Buffer, notes: &Buffer) -> [Buffer; 3] {
        let mut dq = self.like(device, &self.q);
        let (mut dk, mut dv) = (self.like(device, &self.k), self.like(device, &self.k));
        let launch = Launch::groups([1, self.params.heads, self.params.batch])
            .flops(5 * products(&self.params))
            .words(3 * self.q.elements() + 4 * self.k.elements());
        run!(
            device,
            is_emulated(device, self.q.format()),
            launch,
            fused
                | attention_backward_software_fused::Backward {
                    params: bytemuck::cast(self.params),
                    constants: fused::Constants {
                        chunks: chunks(device, self.q.format(), &self.params)
                    },
                    q: &self.q,
                    k: &self.k,
                    v: &self.v,
                    dy: dy,
                    notes: notes,
                    dq: &mut dq,
                    dk: &mut dk,
                    dv: &mut dv,
                }
        );
        [dq, dk, dv]
    }
}

/// [B, T, S, A, D].
fn extents(params: &Params) -> [usize; 5] {
    [params.batch, params.queries, params.keys, params.heads, params.width].map(|n| n as usize)
}

/// FLOPs of one product of `[T, D]` with `[D, S]` for every item and head.
fn products(params: &Params) -> usize {
    2 * extents(params).iter().product::<usize>()
}

/// Rounds of loops that one lane of `shaders/attention_backward_software_fused.wgsl` takes at most; each loop has one
/// more than it says, in which it is left.
fn rounds(params: &Params) -> usize {
    let [_, queries, keys, _, width] = extents(params);
    let channels = width + 1;
    let clearing = queries.max(keys).div_ceil(32) * (channels + 1) + 1;
    // Products, then dv and dk, then dq; which of 64 queries dropout keeps; the tile itself.
    let tile_of_keys = 3 * channels + 65 + 1;
    // Where eight rows begin, what is read of them, the tiles of keys, and the tile itself.
    let tile_of_queries = 9 + channels + (keys.div_ceil(32) * tile_of_keys + 1) + 1;
    clearing + queries.div_ceil(64) * tile_of_queries + 1
}

/// One workgroup per tile of `rows`, block of channels, head and item; an emulated one does all channels of a head.
fn tiles(rows: usize, params: &Params, emulated: bool) -> Launch {
    let blocks = if emulated { 1 } else { params.width.div_ceil(BLOCK_CHANNELS) };
    Launch::groups([rows.div_ceil(TILE_ROWS) as u32, params.heads * blocks, params.batch])
}

/// Whether this is an emulated GPU of the kind that the software variants are written for. They add up in the results'
/// own memory, so these must be f32.
pub(super) fn is_emulated(device: &Device, format: Format) -> bool {
    let lanes = device.limits().subgroup;
    device.is_software() && lanes == Some(EMULATED_SUBGROUP) && format == Format::Word
}

/// As [`chunks`], but the software variant of the forward is compiled twice: narrow heads grow in arrays of the lanes.
fn forward_chunks(device: &Device, format: Format, params: &Params) -> u32 {
    if is_emulated(device, format) && params.width <= EMULATED_WIDTH {
        return EMULATED_WIDTH / CHUNK_CHANNELS;
    }
    chunks(device, format, params)
}

/// ⌈D/32⌉; 4 for the software variants, which take any width and need not be compiled for each.
fn chunks(device: &Device, format: Format, params: &Params) -> u32 {
    if is_emulated(device, format) { 4 } else { params.width.div_ceil(CHUNK_CHANNELS) }
}
