//! Heads as matrices side by side: which of them are worked on at a time, how they are taken out and put back, and their
//! products.

use super::product::Product;
use crate::device::{Buffer, Device, Kernel, Launch};
use crate::kernels::head_major::{self as by_word, Params};
use crate::kernels::head_major_vec4 as by_quad;

/// Most bytes of a chunk's largest matrices: enough rows that the products run at full speed.
const CHUNK_BYTES: u64 = 64 << 20;
/// Most matrices of a chunk: with K in 16 shares a product starts as many groups along an axis as it may.
const MOST_MATRICES: usize = 4095;
/// Lanes of a workgroup of `head_major`.
const MOVE_LANES: u32 = by_word::Forward::WORKGROUP[0];

/// Some heads, and some items of each.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chunk {
    pub first_head: usize,
    pub heads: usize,
    pub first_item: usize,
    pub items: usize,
}

impl Chunk {
    /// How many matrices of `[T, S]` it has.
    pub fn matrices(&self) -> usize {
        self.heads * self.items
    }

    /// The same heads of the one table of distances.
    pub fn of_table(self) -> Self {
        Self { first_item: 0, items: 1, ..self }
    }
}

/// As many heads as fit; where one does not, as many of its items as fit. The largest matrix has so many words.
pub(super) fn chunks(device: &Device, [batch, heads]: [usize; 2], matrix: usize) -> Vec<Chunk> {
    let budget = device.limits().max_binding_bytes.min(CHUNK_BYTES) as usize;
    let matrices = (budget / (4 * matrix).max(1)).clamp(1, MOST_MATRICES);
    let even = |all: usize, fitting: usize| {
        let parts = all.div_ceil(fitting.max(1)).max(1);
        all.div_ceil(parts).max(1)
    };
    let some_items = even(batch, matrices);
    let some_heads = if some_items < batch { 1 } else { even(heads, matrices / batch.max(1)) };
    let of_heads = |first_head: usize| {
        (0..batch).step_by(some_items).map(move |first_item| Chunk {
            first_head,
            heads: some_heads.min(heads - first_head),
            first_item,
            items: some_items.min(batch - first_item),
        })
    };
    (0..heads).step_by(some_heads).flat_map(of_heads).collect()
}

/// A·B of matrices that lie side by side: `[M, K, N]`.
pub(super) fn times(batches: usize, [rows, inner, columns]: [usize; 3]) -> Product {
    let (a, b) = ([inner, 1, rows * inner], [columns, 1, inner * columns]);
    Product { rows, columns, inner, batches, a, b }
}

/// A·Bᵀ: `[M, K, N]`.
pub(super) fn times_transposed(batches: usize, [rows, inner, columns]: [usize; 3]) -> Product {
    let (a, b) = ([inner, 1, rows * inner], [1, inner, inner * columns]);
    Product { rows, columns, inner, batches, a, b }
}

/// Aᵀ·B: `[M, K, N]`.
pub(super) fn transposed_times(batches: usize, [rows, inner, columns]: [usize; 3]) -> Product {
    let (a, b) = ([1, rows, rows * inner], [columns, 1, inner * columns]);
    Product { rows, columns, inner, batches, a, b }
}

/// Tensors `[B, T, A, D]`, whose heads a chunk takes out or puts back.
#[derive(Clone, Copy)]
pub(super) struct Heads {
    /// T.
    tokens: usize,
    /// The first of those that are moved, and how many.
    some_tokens: [usize; 2],
    /// A.
    heads: usize,
    /// D.
    width: usize,
}

/// Runs one entry point of a variant: their structs have the same fields and different types.
macro_rules! run {
    ($heads:expr, $device:expr, $launch:expr, $entry:ident { $($field:ident $(: $value:expr)?),+ }) => {
        if $heads.has_quads() {
            $device.run(by_quad::$entry { $($field $(: $value)?),+ }, $launch)
        } else {
            $device.run(by_word::$entry { $($field $(: $value)?),+ }, $launch)
        }
    };
}

impl Heads {
    /// All tokens of T, A and D.
    pub fn new([tokens, heads, width]: [usize; 3]) -> Self {
        Self { tokens, some_tokens: [0, tokens], heads, width }
    }

    /// So many tokens from one on.
    pub fn of_tokens(self, first: usize, tokens: usize) -> Self {
        Self { some_tokens: [first, tokens], ..self }
    }

    fn params(self, chunk: Chunk) -> Params {
        let [first_token, some_tokens] = self.some_tokens;
        Params {
            tokens: self.tokens as u32,
            heads: self.heads as u32,
            width: self.width as u32,
            first_head: chunk.first_head as u32,
            first_item: chunk.first_item as u32,
            some_items: chunk.items as u32,
            first_token: first_token as u32,
            some_tokens: some_tokens as u32,
        }
    }

    fn words(self, chunk: Chunk) -> usize {
        chunk.matrices() * self.some_tokens[1] * self.width
    }

    fn launch(self, chunk: Chunk, words_of_each: usize) -> Launch {
        let lane = if self.has_quads() { 4 } else { 1 };
        let matrix = self.some_tokens[1] * self.width;
        let groups = [matrix.div_ceil(lane * MOVE_LANES as usize), chunk.heads, chunk.items];
        Launch::groups(groups.map(|n| n as u32)).words(words_of_each * self.words(chunk))
    }

    /// Whether a lane moves four words at once.
    fn has_quads(self) -> bool {
        self.width.is_multiple_of(4)
    }

    /// The chunk's part of `x` as `[.., T, D]`.
    pub fn gather(self, device: &Device, chunk: Chunk, x: &Buffer) -> Buffer {
        let (params, launch) = (self.params(chunk), self.launch(chunk, 2));
        let mut y = device.buffer(self.words(chunk));
        run!(self, device, launch, Forward { params, x, y: &mut y });
        y
    }

    /// As [`Heads::gather`], with the bias of each head added to its rows.
    pub fn gather_biased(self, device: &Device, chunk: Chunk, x: &Buffer, bias: &Buffer) -> Buffer {
        let words = self.words(chunk);
        let (params, launch) = (self.params(chunk), self.launch(chunk, 2).flops(words));
        let mut y = device.buffer(words);
        run!(self, device, launch, ForwardBiased { params, x, bias, y: &mut y });
        y
    }

    /// Writes `dy` to the chunk's part of `dx`.
    pub fn scatter(self, device: &Device, chunk: Chunk, dy: &Buffer, dx: &mut Buffer) {
        let (params, launch) = (self.params(chunk), self.launch(chunk, 2));
        run!(self, device, launch, Backward { params, dy, dx });
    }

    /// Adds `dy` to the chunk's part of `dx`.
    pub fn scatter_add(self, device: &Device, chunk: Chunk, dy: &Buffer, dx: &mut Buffer) {
        let (params, launch) = (self.params(chunk), self.launch(chunk, 3));
        run!(self, device, launch.flops(self.words(chunk)), BackwardAdd { params, dy, dx });
    }
}
