//! Whether a forward trains or evaluates.

use std::cell::Cell;

use wgrad_engine::device::Format;
use wgrad_engine::random::{Dropout, Sampling};
use wgrad_engine::{Device, Tensor, ops};

/// Training with dropout, or evaluation without, and how activations lie. One forward of a model uses one mode: each dropout it asks
/// for gets the next site number, so a replay of the same forward draws the same masks.
pub struct Mode {
    key: Option<Tensor>,
    site: Cell<u32>,
    first_row: u32,
    format: Format,
}

impl Mode {
    /// No dropout anywhere.
    pub fn evaluation() -> Self {
        Self { key: None, site: Cell::new(0), first_row: 0, format: Format::Word }
    }

    /// Dropout under `key`, u32 `[2]`: the words of seed and step, in a buffer that is rewritten each step.
    pub fn training(key: &Tensor) -> Self {
        Self { key: Some(key.clone()), ..Self::evaluation() }
    }

    /// The same, with activations kept as `format`.
    #[must_use]
    pub fn storing(self, format: Format) -> Self {
        Self { format, ..self }
    }

    /// `x` as activations lie: where embeddings end and layers begin.
    pub fn store(&self, x: &Tensor) -> Tensor {
        ops::cast(x, self.format)
    }

    /// The mode of a forward over a part of the batch, from row `first_row` of its `[B·T]` tokens on: it draws there what a
    /// forward over the whole would draw. This mode stays where it is.
    #[must_use]
    pub fn at_row(&self, first_row: usize) -> Self {
        let (key, site) = (self.key.clone(), self.site.clone());
        Self { key, site, first_row: self.first_row + first_row as u32, format: self.format }
    }

    /// Moves to the site where `part` stands, unless it is further already: after a forward over all parts, the next one draws
    /// what it would after a forward over the whole.
    pub fn advance_to(&self, part: &Self) {
        self.site.set(self.site.get().max(part.site.get()));
    }

    /// The next dropout of the model; `None` in evaluation or for probability 0.
    pub fn dropout(&self, probability: f32) -> Option<Dropout> {
        let site = self.site.get();
        self.site.set(site + 1);
        let key = self.key.as_ref().filter(|_| probability > 0.0)?;
        Some(Dropout { probability, key: key.clone(), site, first_row: self.first_row })
    }

    /// The next dropout, of what all rows of the batch share: every part draws it alike.
    pub fn shared_dropout(&self, probability: f32) -> Option<Dropout> {
        self.dropout(probability).map(|dropout| Dropout { first_row: 0, ..dropout })
    }

    /// The model's next draw of classes at temperature 1. Evaluation draws too, under one key for every batch, so that a
    /// held-out loss is the same function at every step.
    pub fn sampling(&self, device: &Device) -> Sampling {
        let site = self.site.get();
        self.site.set(site + 1);
        let key = self.key.clone().unwrap_or_else(|| Tensor::u32(device, [2], &[0, 0]));
        Sampling { temperature: 1.0, key, site, first_row: self.first_row }
    }
}
