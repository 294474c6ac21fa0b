//! Indices into rows, checked on the host where they come from, so that no kernel has to.

use std::sync::Arc;

use crate::device::{Buffer, Device};

/// What is wrong with indices that came from outside.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IndexError {
    /// An index past the end.
    #[error("{what} {index} at position {position} is out of range: expected less than {limit}")]
    OutOfRange {
        /// `id` or `row`.
        what: &'static str,
        /// Where it stands in the list.
        position: usize,
        /// The index.
        index: u32,
        /// How many rows there are.
        limit: usize,
    },
    /// Rows that are not distinct and in order.
    #[error("row {index} at position {position} follows row {previous}: expected increasing rows")]
    NotIncreasing {
        /// Where it stands in the list.
        position: usize,
        /// The row.
        index: u32,
        /// The row before it.
        previous: u32,
    },
}

/// Marks what is absent in an index: a row that was not kept, the end of a list.
const NONE: u32 = u32::MAX;

/// Ids of rows of a table, in any order and with repetitions.
#[derive(Clone, Debug)]
pub struct Ids {
    buffer: Buffer,
    host: Arc<[u32]>,
    table_rows: usize,
    padding: Option<u32>,
}

impl Ids {
    /// Checks and uploads the ids of rows of a table of `table_rows`.
    ///
    /// # Errors
    /// [`IndexError::OutOfRange`] for the first id that is no row.
    pub fn new(device: &Device, ids: &[u32], table_rows: usize) -> Result<Self, IndexError> {
        check_range("id", ids, table_rows)?;
        Ok(Self { buffer: device.upload_u32(ids), host: ids.into(), table_rows, padding: None })
    }

    /// The same ids, but the row `padding` of the table gets no gradient, as in `torch.nn.Embedding(padding_idx=…)`.
    pub fn with_padding(self, padding: u32) -> Self {
        Self { padding: Some(padding), ..self }
    }

    /// How many ids there are.
    pub fn len(&self) -> usize {
        self.host.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.host.is_empty()
    }

    /// Rows of the table they were checked against.
    pub fn table_rows(&self) -> usize {
        self.table_rows
    }

    pub(super) fn buffer(&self) -> &Buffer {
        &self.buffer
    }

    /// The sorted index that the gradient of the table is added up by.
    pub(super) fn sorted(&self, piece: usize) -> Sorted {
        let ids = &self.host;
        let mut positions: Vec<u32> = (0..ids.len() as u32).collect();
        positions.retain(|&position| Some(ids[position as usize]) != self.padding);
        positions.sort_by_key(|&position| ids[position as usize]); // stable: positions stay in order

        let (mut segments, mut pieces) = (Vec::new(), Vec::new());
        let mut first = 0;
        for same in positions.chunk_by(|&a, &b| ids[a as usize] == ids[b as usize]) {
            let last = first + same.len();
            let first_piece = if same.len() > piece { pieces.len() as u32 } else { NONE };
            if same.len() > piece {
                let cuts = (first..last).step_by(piece);
                pieces.extend(cuts.map(|cut| [cut as u32, last.min(cut + piece) as u32]));
            }
            segments.push([ids[same[0] as usize], first as u32, last as u32, first_piece]);
            first = last;
        }
        // Sizes that depend on the number of ids alone, so that every step of a stable shape takes the same buffers.
        // A segment longer than a piece of p has fewer than 2·length/p pieces.
        positions.resize(ids.len(), 0);
        segments.resize(ids.len(), [NONE, 0, 0, NONE]);
        pieces.resize((2 * ids.len() / piece).max(1), [0, 0]);
        Sorted { positions, segments, pieces }
    }
}

/// Positions sorted by id: the layout of `shaders/embedding.wgsl`.
pub(super) struct Sorted {
    /// [N] positions by (id, position).
    pub positions: Vec<u32>,
    /// [N] (id, first, one past the last, first piece or NONE).
    pub segments: Vec<[u32; 4]>,
    /// [P] (first, one past the last) of long segments cut up.
    pub pieces: Vec<[u32; 2]>,
}

/// Distinct rows of a matrix in increasing order.
#[derive(Clone, Debug)]
pub struct Rows {
    rows: Buffer,
    slots: Buffer,
    matrix_rows: usize,
}

impl Rows {
    /// Checks and uploads `rows` of a matrix of `matrix_rows`, with their inverse.
    ///
    /// # Errors
    /// [`IndexError::OutOfRange`] or [`IndexError::NotIncreasing`] for the first offender.
    pub fn new(device: &Device, rows: &[u32], matrix_rows: usize) -> Result<Self, IndexError> {
        check_range("row", rows, matrix_rows)?;
        if let Some(at) = rows.windows(2).position(|pair| pair[0] >= pair[1]) {
            let (previous, index) = (rows[at], rows[at + 1]);
            return Err(IndexError::NotIncreasing { position: at + 1, index, previous });
        }
        let mut slots = vec![NONE; matrix_rows];
        for (slot, &row) in rows.iter().enumerate() {
            slots[row as usize] = slot as u32;
        }
        let (rows, slots) = (device.upload_u32(rows), device.upload_u32(&slots));
        Ok(Self { rows, slots, matrix_rows })
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.words()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Rows of the matrix they were checked against.
    pub fn matrix_rows(&self) -> usize {
        self.matrix_rows
    }

    /// [R] the rows.
    pub(super) fn rows(&self) -> &Buffer {
        &self.rows
    }

    /// [N] where each row of the matrix stands among the rows, or NONE.
    pub(super) fn slots(&self) -> &Buffer {
        &self.slots
    }
}

fn check_range(what: &'static str, indices: &[u32], limit: usize) -> Result<(), IndexError> {
    match indices.iter().position(|&index| index as usize >= limit) {
        Some(position) => {
            Err(IndexError::OutOfRange { what, position, index: indices[position], limit })
        }
        None => Ok(()),
    }
}
