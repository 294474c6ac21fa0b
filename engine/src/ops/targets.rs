//! The class that each row of a loss should choose, checked on the host before any kernel indexes with it.

use std::sync::Arc;

use crate::device::{Buffer, Device};

/// One class per row, or [`Targets::IGNORE`], on a device.
#[derive(Clone, Debug)]
pub struct Targets {
    classes: Buffer,
    on_host: Arc<[u32]>,
    row_weight: Buffer,
    rows: usize,
    class_count: usize,
    counted: usize,
}

impl Targets {
    /// The target of a row that does not count: no loss, no gradient, no share of the mean.
    pub const IGNORE: u32 = u32::MAX;

    /// Uploads the class of each row, each below `class_count` or [`Targets::IGNORE`].
    ///
    /// # Panics
    /// With the first row whose class is out of range.
    #[track_caller]
    pub fn new(device: &Device, classes: &[u32], class_count: usize) -> Self {
        let wrong = |&class: &u32| class != Self::IGNORE && class as usize >= class_count;
        if let Some(row) = classes.iter().position(wrong) {
            panic!("targets: row {row} is class {}, expected below {class_count}", classes[row]);
        }
        let counted = classes.iter().filter(|&&class| class != Self::IGNORE).count();
        // No row counts: the mean over nothing is 0, not NaN.
        let weight = if counted == 0 { 0.0 } else { 1.0 / counted as f32 };
        Self {
            classes: device.upload_u32(classes),
            on_host: classes.into(),
            row_weight: device.upload_f32(&[weight]),
            rows: classes.len(),
            class_count,
            counted,
        }
    }

    /// The targets of contrastive learning where candidates lie query-major, `group` to a query, the positive first:
    /// row i chooses i·`group`.
    #[track_caller]
    pub fn first_of_groups(device: &Device, queries: usize, group: usize) -> Self {
        let classes: Vec<u32> = (0..queries).map(|query| (query * group) as u32).collect();
        Self::new(device, &classes, queries * group)
    }

    /// Rows, ignored ones too.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How many classes there are to choose from.
    pub fn class_count(&self) -> usize {
        self.class_count
    }

    /// Rows that count.
    pub fn counted(&self) -> usize {
        self.counted
    }

    /// `[rows]`, u32.
    pub(super) fn classes(&self) -> &Buffer {
        &self.classes
    }

    /// The row that chooses each class, [`Targets::IGNORE`] where none does.
    ///
    /// # Panics
    /// With the first two rows that choose the same class.
    #[track_caller]
    pub(super) fn sources(&self) -> Vec<u32> {
        let mut sources = vec![Self::IGNORE; self.class_count];
        for (row, &class) in self.on_host.iter().enumerate() {
            if class == Self::IGNORE {
                continue;
            }
            let source = &mut sources[class as usize];
            let other = *source;
            assert!(
                other == Self::IGNORE,
                "targets: rows {other} and {row} are class {class}, expected one row at most"
            );
            *source = row as u32;
        }
        sources
    }

    /// `[1]`: 1 / counted rows, or 0.
    pub(super) fn row_weight(&self) -> &Buffer {
        &self.row_weight
    }
}
