//! Rows of a table by id.

use super::Ids;
use crate::device::{Buffer, Device, Launch};
use crate::kernels::embedding::{Backward as AddRows, BackwardPieces, Forward, Params};
use crate::tensor::{Backward, Tensor};

/// Rows that one lane adds in a loop before a longer list is cut up.
const PIECE: usize = 64;

/// Looks up rows: `y[n] = table[ids[n]]`.
///
/// # Shapes
/// `table: [V, H]`, N ids → `[N, H]`.
///
/// # Gradients
/// Flows to `table`, dense: each row gets the sum of the gradients of its positions, in their order; a padding id's
/// row and rows without a position get 0. Keeps the ids.
///
/// # Panics
/// If `table` has another number of rows than the ids were checked against.
///
/// # Source
/// Kernel `shaders/embedding.wgsl`; one owner a row, so no atomics and the same bits every time.
#[track_caller]
pub fn embedding(table: &Tensor, ids: &Ids) -> Tensor {
    let (_, channels) = table.shape().rows_and_last();
    table.expect_shape("embedding: table", &[ids.table_rows(), channels]);
    let device = table.device();
    let params = Params {
        rows: ids.len() as u32,
        channels: channels as u32,
        table_rows: ids.table_rows() as u32,
        pieces: (2 * ids.len() / PIECE).max(1) as u32,
        piece: PIECE as u32,
    };
    let words = ids.len() * channels;
    let mut y = device.buffer(words);
    let launch = Launch::lanes(words, 64).words(2 * words + ids.len());
    let forward = Forward { params, table: table.buffer(), ids: ids.buffer(), y: &mut y };
    device.run(forward, launch);
    let saved = Saved { params, ids: ids.clone() };
    Tensor::new(device, [ids.len(), channels], y).record("embedding", [table], saved)
}

/// The ids; their sorted index is built when it is needed.
struct Saved {
    params: Params,
    ids: Ids,
}

impl Backward<1> for Saved {
    fn backward(self: Box<Self>, dy: &Tensor, [to_table]: [bool; 1]) -> [Option<Tensor>; 1] {
        let Self { params, ids } = *self;
        let table = [ids.table_rows(), params.channels as usize];
        [to_table.then(|| {
            let dtable = gradient(dy.device(), params, &ids, dy.buffer());
            Tensor::new(dy.device(), table, dtable)
        })]
    }
}

fn gradient(device: &Device, params: Params, ids: &Ids, dy: &Buffer) -> Buffer {
    let sorted = ids.sorted(PIECE);
    let positions = device.upload_u32(&sorted.positions);
    let segments = device.upload_u32(sorted.segments.as_flattened());
    let pieces = device.upload_u32(sorted.pieces.as_flattened());
    let [channels, table_rows, count] =
        [params.channels, params.table_rows, params.pieces].map(|n| n as usize);
    let (words, piece_words) = (ids.len() * channels, count * channels);

    let mut partials = device.buffer(piece_words);
    let launch = Launch::groups([params.pieces, 1, 1]).flops(words).words(words + piece_words);
    let cut = BackwardPieces {
        params,
        dy,
        positions: &positions,
        pieces: &pieces,
        partials: &mut partials,
    };
    device.run(cut, launch);

    let mut dtable = device.buffer(table_rows * channels);
    let launch = Launch::rows(table_rows).flops(words).words(words + table_rows * channels);
    let add = AddRows {
        params,
        dy,
        positions: &positions,
        segments: &segments,
        piece_sums: &partials,
        dtable: &mut dtable,
    };
    device.run(add, launch);
    dtable
}
