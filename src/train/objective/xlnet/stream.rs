//! XLNet's rows as the authors have them: each goes on from the row before it.

use std::ops::Range;
use std::sync::Arc;

use super::memories::Memories;
use super::{XlNetObjective, partial};
use crate::data::{Strides, TokenBlocks, Walk, XlNetBatch, XlNetStream};
use crate::train::Error;
use crate::train::objective::{Batching, Stream, TrainingText};
use crate::train::pretrain::HELDOUT;
use crate::train::recipe::Recipe;

/// Steps that held-out rows should walk, so that most of them remember something.
const HELDOUT_STEPS: usize = 8;

impl XlNetObjective {
    /// Rows that walk along the text, if the recipe asks for `memory`, `reuse` or `bi_data`.
    pub(super) fn walk(
        &mut self,
        recipe: &mut Recipe,
        batching: &Batching<'_>,
        (blocks, heldout): TrainingText<'_>,
        rows: usize,
    ) -> Result<Option<Stream<XlNetBatch>>, Error> {
        let Batching { tokenizer, vocabulary, max_length: tokens, seed } = *batching;
        let parts = self.readings.len();
        let memory = recipe.get_in("memory", 0, 0..=65_536, "0 to 65536 tokens")?;
        let walks = memory > 0 || parts > 1;
        let bounds = "0, or tokens to move on by, fewer than max_length − 3";
        let half = if walks { tokens / 2 } else { 0 };
        let reuse = recipe.get_in("reuse", half, 0..=tokens - 4, bounds)?;
        let perm_size = recipe.get_in("perm_size", reuse, 0..=reuse, "at most reuse")?;
        if reuse == 0 {
            let problem = "reuse is 0, expected tokens to move on by: memory and bi_data need it";
            return if walks { Err(Error::Setting(problem.to_string())) } else { Ok(None) };
        }
        if perm_size == 0 || [reuse, tokens - reuse].iter().any(|half| half % perm_size != 0) {
            let problem = format!(
                "perm_size is {perm_size}, expected a divisor of reuse {reuse} and of the other {} tokens of a row",
                tokens - reuse
            );
            return Err(Error::Setting(problem));
        }
        if !rows.is_multiple_of(parts) {
            let problem = format!("batch_size is {rows}, expected an even number for bi_data");
            return Err(Error::Setting(problem));
        }
        let (backward, partial) = (rows / parts * (parts - 1), partial(recipe)?);
        let strides = Strides { rows, backward, tokens, reuse, perm_size, partial };
        let walk = |strides, range: Range<usize>, walk| {
            XlNetStream::new(tokenizer, (blocks.clone(), range), strides, walk, seed)
        };

        let training = walk(strides, 0..heldout, Walk::Training).ok_or_else(|| {
            let (wanted, found) = (rows / parts * tokens, tokens_of(blocks, 0..heldout));
            let problem = format!(
                "batch_size is {rows}, expected fewer rows, or more text: they need {wanted} tokens, found {found}"
            );
            Error::Setting(problem)
        })?;
        let unseen = heldout..(heldout + HELDOUT).min(blocks.len());
        let found = tokens_of(blocks, unseen.clone());
        let wanted = tokens + (HELDOUT_STEPS - 1) * reuse;
        let rows_of_part = (found / wanted).clamp(1, rows / parts);
        let fewer =
            Strides { rows: rows_of_part * parts, backward: rows_of_part * (parts - 1), ..strides };
        let heldout = walk(fewer, unseen, Walk::HeldOut);
        let heldout = heldout.map_or(Ok(Vec::new()), |walk| {
            (0..walk.steps_per_epoch()).map(|step| walk.batch(step, vocabulary)).collect()
        });
        let heldout = heldout.map_err(|error| Error::Setting(error.to_string()))?;
        let config = &self.model.xlnet.config;
        let device = self.weights.device();
        let memories = Memories::begin(device, config, [parts, rows], [memory, reuse]);
        *self.memories.get_mut() = memories;
        let batch = Arc::new(move |step| training.batch(step, vocabulary));
        Ok(Some(Stream { batch, heldout }))
    }
}

fn tokens_of(blocks: &TokenBlocks, range: Range<usize>) -> usize {
    range.map(|block| blocks.block_length(block)).sum()
}
