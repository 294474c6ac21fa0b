//! A batch of token ids on the host, of which any rows can be brought to a device.

use std::ops::Range;

use wgrad_engine::Device;
use wgrad_engine::ops::{Rows, Targets};
use wgrad_models::bert::Config;
use wgrad_models::{InputError, Tokens, Visible};

use super::BatchError;
use crate::data::TokenBatch;

/// Token ids `[B, T]`, and which of them are no padding.
#[derive(Clone, Copy)]
pub struct TokenRows<'a> {
    /// B and T.
    pub shape: [usize; 2],
    /// `[B, T]`.
    pub ids: &'a [u32],
    /// `[B, T]`, 0 unless given.
    pub types: Option<&'a [u32]>,
    /// Of `[B, T]`.
    pub visible: Visible<'a>,
}

impl<'a> TokenRows<'a> {
    /// What a collator padded.
    pub fn of_batch(batch: &'a TokenBatch) -> Self {
        let TokenBatch { rows, tokens, input_ids: ids, lengths } = batch;
        Self { shape: [*rows, *tokens], ids, types: None, visible: Visible::Lengths(lengths) }
    }

    /// Some of the rows, as long as in the whole batch.
    ///
    /// # Errors
    /// [`BatchError::Input`], with the row of the whole batch.
    pub fn upload(
        &self,
        device: &Device,
        config: &Config,
        rows: Range<usize>,
    ) -> Result<Tokens, BatchError> {
        let places = self.places(&rows);
        let visible = match self.visible {
            Visible::Lengths(lengths) => Visible::Lengths(&lengths[rows.clone()]),
            Visible::Mask(mask) => Visible::Mask(&mask[places.clone()]),
        };
        let types = self.types.map(|types| &types[places.clone()]);
        let shape = [rows.len(), self.shape[1]];
        let tokens = Tokens::new(device, config, shape, &self.ids[places], types, visible);
        Ok(tokens.map_err(|error| match error {
            InputError::IdOutOfRange { what, id, row, token, limit, key } => {
                InputError::IdOutOfRange { what, id, row: row + rows.start, token, limit, key }
            }
            other @ InputError::TooLong { .. } => other,
        })?)
    }

    /// Where the tokens of these rows lie in `[B·T]`.
    pub fn places(&self, rows: &Range<usize>) -> Range<usize> {
        rows.start * self.shape[1]..rows.end * self.shape[1]
    }
}

/// Tokens of which some are to be guessed.
#[derive(Clone, Copy)]
pub struct LabelledRows<'a> {
    /// The tokens, corrupted.
    pub tokens: TokenRows<'a>,
    /// Flat places `b·T + t` of the tokens to guess, increasing.
    pub positions: &'a [u32],
    /// What stood there.
    pub labels: &'a [u32],
}

impl LabelledRows<'_> {
    /// Some of the rows, with their labels.
    ///
    /// # Errors
    /// As [`TokenRows::upload`].
    pub fn upload(
        &self,
        device: &Device,
        config: &Config,
        rows: Range<usize>,
    ) -> Result<(Tokens, (Rows, Targets)), BatchError> {
        let (places, labelled) = (self.tokens.places(&rows), self.labelled(&rows));
        let first = places.start as u32;
        let at: Vec<u32> = self.positions[labelled.clone()].iter().map(|at| at - first).collect();
        let tokens = self.tokens.upload(device, config, rows)?;
        let at = Rows::new(device, &at, places.len()).expect("labels stand in increasing order");
        Ok((tokens, (at, Targets::new(device, &self.labels[labelled], config.vocab_size))))
    }

    /// The share of all labels that these rows have.
    pub fn share(&self, rows: &Range<usize>) -> f32 {
        self.labelled(rows).len() as f32 / self.labels.len().max(1) as f32
    }

    /// Which of the labels these rows have.
    fn labelled(&self, rows: &Range<usize>) -> Range<usize> {
        let places = self.tokens.places(rows);
        let before = |place: usize| self.positions.partition_point(|&at| (at as usize) < place);
        before(places.start)..before(places.end)
    }
}
