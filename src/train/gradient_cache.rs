//! The gradient cache: a loss over the vectors of a large batch, in the memory of a small one (Gao, Zhang, Han & Callan
//! 2021, arXiv:2101.06983, §3).
//!
//! With f the encoder, x the batch and ℓ the loss over all of its vectors R:
//!
//! 1. R = f(x), chunk by chunk and without a graph;
//! 2. G = ∂ℓ/∂R;
//! 3. every chunk again, r = f(x) with its graph, and back from ⟨G, r⟩, whose gradients add up to those of ℓ(f(x)).
//!
//! Dropout is drawn by counters of (step, site, token of the whole batch). So the second forward draws what the first drew,
//! with nothing stored, and any chunk draws what the whole batch would.

use std::ops::Range;

use wgrad_engine::{Tensor, no_grad, ops};
use wgrad_models::Mode;

use super::Error;
use super::objective::BatchError;
use super::recipe::Recipe;

/// Reads `cache_chunk`, the rows that are encoded together; `None` if the whole batch is.
///
/// # Errors
/// [`Error::Setting`] for what is no number of rows.
pub fn cache_chunk(recipe: &mut Recipe) -> Result<Option<usize>, Error> {
    let rows = recipe.get("cache_chunk", 0_usize)?;
    Ok((rows > 0).then_some(rows))
}

/// One side of a loss: texts that an encoder takes some rows at a time.
pub struct Chunks<'a> {
    rows: usize,
    tokens: usize,
    chunk: usize,
    mode: &'a Mode,
    /// `mode` as it was before the side's forward.
    start: Mode,
}

impl<'a> Chunks<'a> {
    /// Cuts a batch of `[rows, tokens]` into chunks of rows, the last one shorter. `mode` is that of the forward over the whole.
    ///
    /// # Panics
    /// If a chunk has no rows.
    #[track_caller]
    pub fn new([rows, tokens]: [usize; 2], chunk: usize, mode: &'a Mode) -> Self {
        assert!(chunk > 0, "gradient cache: chunks of 0 rows, expected one at least");
        Self { rows, tokens, chunk, mode, start: mode.at_row(0) }
    }

    /// Step 1: R `[rows, D]`, a leaf, from what `forward` gives of each chunk.
    ///
    /// # Errors
    /// The first of `forward`.
    pub fn encode(
        &self,
        forward: impl Fn(Range<usize>, &Mode) -> Result<Tensor, BatchError>,
    ) -> Result<Tensor, BatchError> {
        let mut vectors = Vec::new();
        for rows in self.ranges() {
            let mode = self.start.at_row(rows.start * self.tokens);
            vectors.push(no_grad(|| forward(rows, &mode))?);
            self.mode.advance_to(&mode);
        }
        Ok(ops::concat(&vectors.iter().collect::<Vec<_>>(), 0).tracked())
    }

    /// Step 3: gives `back` every chunk with the gradient of its vectors, a part of `gradient`, that of R.
    ///
    /// # Errors
    /// The first of `back`.
    pub fn replay(
        &self,
        gradient: &Tensor,
        mut back: impl FnMut(Range<usize>, &Mode, &Tensor) -> Result<(), BatchError>,
    ) -> Result<(), BatchError> {
        let sizes: Vec<usize> = self.ranges().map(|rows| rows.len()).collect();
        for (rows, gradient) in self.ranges().zip(ops::split(gradient, 0, &sizes)) {
            let mode = self.start.at_row(rows.start * self.tokens);
            back(rows, &mode, &gradient)?;
            self.mode.advance_to(&mode);
        }
        Ok(())
    }

    fn ranges(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let (rows, chunk) = (self.rows, self.chunk);
        (0..rows).step_by(chunk).map(move |first| first..rows.min(first + chunk))
    }
}

/// ⟨G, r⟩ `[]`, which has the gradients of ℓ: `vectors` r and `gradient` G are `[R, D]`.
pub fn surrogate(vectors: &Tensor, gradient: &Tensor) -> Tensor {
    ops::sum(&ops::multiply(vectors, gradient))
}
