//! Which kernels make attention on a device, and their tiles.

use super::trial::proven_fragments;
use crate::device::{Device, Format};
use crate::kernels::attention::Params;

/// Rows that one workgroup owns, but with fragments.
const TILE_ROWS: usize = 64;
/// Channels of a chunk of the head's width.
const CHUNK_CHANNELS: u32 = 32;
/// Channels of the results that one workgroup owns, but with fragments.
pub(crate) const BLOCK_CHANNELS: u32 = 64;
/// Lanes of a subgroup for which the software variants are written: 256-bit vectors of f32.
const EMULATED_SUBGROUP: u32 = 8;
/// Widest head of which emulated lanes hold arrays, in the forward and in the walk that is both.
pub(crate) const EMULATED_WIDTH: u32 = 64;
/// Rounds of loops, nested ones together, after which llvmpipe leaves all loops of an invocation without a word.
pub(super) const EMULATED_ROUNDS: usize = 65_535;

/// A text of the kernels, for one kind of adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Variant {
    /// `shaders/attention.wgsl` and `shaders/attention_backward.wgsl`; also the CPU.
    Tiled,
    /// `shaders/attention_cooperative.wgsl` and `shaders/attention_backward_cooperative.wgsl`, with fragments of this side.
    Cooperative(usize),
    /// `shaders/attention_software.wgsl` and its likes, for emulated GPUs with subgroups of [`EMULATED_SUBGROUP`].
    Software,
}

/// Runs an entry point of the variant's shader: the same fields, another text. Where no text is for fragments, the tiled one.
macro_rules! run {
    (
        $device:expr, $variant:expr, $launch:expr,
        $tiled:ident | $software:ident $(| $cooperative:ident)? :: $entry:ident $fields:tt
    ) => {
        match $variant {
            $(Variant::Cooperative(_) => $device.run($cooperative::$entry $fields, $launch),)?
            Variant::Software => $device.run($software::$entry $fields, $launch),
            _ => $device.run($tiled::$entry $fields, $launch),
        }
    };
}
pub(super) use run;

impl Variant {
    /// Of tensors in `format`. Emulated fragments are slower than lanes.
    pub fn of(device: &Device, format: Format) -> Self {
        if is_emulated(device) {
            return Self::Software;
        }
        if device.is_cpu() || device.is_software() {
            return Self::Tiled;
        }
        proven_fragments(device, format)
            .map_or(Self::Tiled, |fragments| Self::Cooperative(fragments.side as usize))
    }

    /// Rows that one workgroup owns.
    pub fn tile_rows(self) -> usize {
        if let Self::Cooperative(side) = self { 4 * side } else { TILE_ROWS }
    }

    /// Workgroups that share the channels of a head; an emulated one has them all.
    pub fn blocks(self, width: usize) -> usize {
        match self {
            Self::Tiled => width.div_ceil(BLOCK_CHANNELS as usize),
            Self::Cooperative(side) => width.div_ceil(8 * side),
            Self::Software => 1,
        }
    }

    /// ⌈D/32⌉; 4 for the software variants, which take any width and need not be compiled for each.
    pub fn chunks(self, params: &Params) -> u32 {
        if self == Self::Software { 4 } else { params.width.div_ceil(CHUNK_CHANNELS) }
    }

    /// As [`Self::chunks`], but the software variant of the forward is compiled twice: narrow heads grow in arrays of the lanes.
    pub fn forward_chunks(self, params: &Params) -> u32 {
        if self == Self::Software && params.width <= EMULATED_WIDTH {
            return EMULATED_WIDTH / CHUNK_CHANNELS;
        }
        self.chunks(params)
    }
}

/// Whether this is an emulated GPU of the kind that the software variants are written for.
pub(crate) fn is_emulated(device: &Device) -> bool {
    device.is_software() && device.limits().subgroup == Some(EMULATED_SUBGROUP)
}

/// Rounds of loops that one lane of `shaders/attention_backward_software_fused.wgsl` takes at most; each loop has one
/// more than it says, in which it is left.
pub(super) fn rounds([_, queries, keys, _, width]: [usize; 5]) -> usize {
    let channels = width + 1;
    let clearing = queries.max(keys).div_ceil(32) * (channels + 1) + 1;
    // Products, then dv and dk, then dq; which of 64 queries dropout keeps; the tile itself.
    let tile_of_keys = 3 * channels + 65 + 1;
    // Where eight rows begin, what is read of them, the tiles of keys, and the tile itself.
    let tile_of_queries = 9 + channels + (keys.div_ceil(32) * tile_of_keys + 1) + 1;
    clearing + queries.div_ceil(64) * tile_of_queries + 1
}
