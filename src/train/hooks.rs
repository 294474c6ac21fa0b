//! Hooks that the trainings share: batches made ahead of the device, and a model written as its users open it.

use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::objective::Objective;
use crate::checkpoint::{self, Purpose};
use crate::data::{self, Loader, Tokenizer};

/// Batches made ahead of the device.
const AHEAD: usize = 8;

/// The batches of a range of micro-steps.
pub type Batches<B> = Box<dyn Fn(Range<u64>) -> Loader<B>>;

/// Makes the batch of each micro-step on `workers` threads, some steps before the device asks for it.
pub fn made_ahead<B: Send + 'static>(
    workers: usize,
    make: impl Fn(u64) -> data::Result<B> + Send + Sync + 'static,
) -> Batches<B> {
    let make = Arc::new(make);
    Box::new(move |steps| {
        let make = make.clone();
        Loader::new(steps, workers, AHEAD, move |step| make(step))
    })
}

/// Writes the model for `purpose`, with the tokenizer beside it.
pub fn written_with<O: Objective>(
    tokenizer: Arc<Tokenizer>,
    max_length: usize,
    purpose: Purpose,
) -> impl Fn(&O, &Path) -> io::Result<()> {
    move |objective, dir| {
        let config = objective.encoder().config();
        checkpoint::write(dir, config, objective.weights(), purpose)?;
        tokenizer.save_for(dir, max_length, &config.model_type).map_err(io::Error::other)
    }
}
