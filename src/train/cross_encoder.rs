//! Fine-tuning of a cross-encoder on queries and passages.

use std::sync::Arc;

use wgrad_engine::Device;

use super::hooks::{made_ahead, written_with};
use super::objective::{CrossEncoderObjective, Objective};
use super::recipe::Recipe;
use super::session::{Session, max_length};
use super::trainer::{Hooks, Outcome, TrainError, train};
use crate::checkpoint::{ModelDirectory, Purpose};
use crate::data::{PairCollator, Records, Sampler, Tokenizer};
use crate::retrieval::rerank::{Pair, scores};

/// What fine-tuning reads.
pub struct Sources {
    /// The model's tokenizer.
    pub tokenizer: Arc<Tokenizer>,
    /// Training records.
    pub records: Arc<Records>,
    /// Records that are never trained on, for the test during training.
    pub heldout: Option<Records>,
}

/// Queries of the test during training.
const PROBE: usize = 100;
/// Passages that each of them chooses among, the answer included.
const CANDIDATES: usize = 20;

/// Fine-tunes the model of `directory`.
///
/// # Errors
/// [`TrainError`].
pub fn finetune(
    device: &Device,
    recipe: &mut Recipe,
    sources: &Sources,
    directory: &ModelDirectory,
    session: &Session,
) -> Result<Outcome, TrainError> {
    let name = recipe.choice("objective", &["cross-encoder"], "cross-encoder")?;
    let config = directory.config.clone();
    let batch_size: usize = recipe.get_in("batch_size", 8, 1.., "a number of queries above 0")?;
    let max_length = max_length(recipe, &config)?;
    let workers = recipe.get_in("workers", 2, 1.., "a number of threads above 0")?;
    let per_epoch = (sources.records.len() / batch_size).max(1) as u64;
    let plan = session.plan(recipe, per_epoch, name)?;
    let mut objective = CrossEncoderObjective::from_recipe(device, &config, recipe, plan.seed)?;
    session.record(recipe)?;
    let fresh = directory.load_into(objective.weights_mut())?;
    session.note_fresh(&directory.path, &fresh);

    let (lengths, group_size) = ((max_length, max_length), objective.group_size);
    let tokenizer = sources.tokenizer.clone();
    let collator = PairCollator::new(tokenizer, config.vocab_size, lengths, group_size, plan.seed);
    let sampler = Sampler::new(plan.seed, sources.records.len(), batch_size);
    let records = sources.records.clone();
    let batches = made_ahead(workers, move |step| {
        let draw = sampler.draw(step);
        collator.joint_batch(&records, draw.epoch, &draw.examples)
    });
    let probe = sources.heldout.as_ref().map(|records| {
        let encode =
            |query: &str, passage: &str| Pair::new(&sources.tokenizer, query, passage, max_length);
        candidates(records, encode)
    });
    let pad = sources.tokenizer.special().pad;
    let evaluate = |objective: &CrossEncoderObjective| {
        let Some((probe, sizes)) = &probe else { return Ok(Vec::new()) };
        let together = batch_size * objective.group_size;
        let found = scores(device, &objective.model, probe, (pad, together), |_| {})?;
        // The answer stands first; one that ties with it counts as above it.
        let rank = |group: &[f32]| group[1..].iter().filter(|&&s| s >= group[0]).count() + 1;
        let mut left = &found[..];
        let mut sum = 0.0;
        for &size in sizes {
            let (group, rest) = left.split_at(size);
            sum += 1.0 / rank(group) as f64;
            left = rest;
        }
        let queries = sizes.len().max(1) as f64;
        Ok(vec![(format!("probe_mrr_of_{CANDIDATES}"), sum / queries)])
    };
    let save_model = written_with(sources.tokenizer.clone(), max_length, Purpose::TextLabels);
    let hooks = Hooks::new(batches, evaluate, save_model);
    train(&mut objective, hooks, &plan, session.place(), session.verbosity)
}

/// Each query with its answer and then with others, evenly spread over the passages; and how many passages each has, at
/// most [`CANDIDATES`].
fn candidates(records: &Records, pair: impl Fn(&str, &str) -> Pair) -> (Vec<Pair>, Vec<usize>) {
    let passages = records.passages();
    let stride = (passages.len() / CANDIDATES).max(1);
    let (mut pairs, mut sizes) = (Vec::new(), Vec::new());
    for (number, record) in records.records().iter().take(PROBE).enumerate() {
        let query = &records.queries()[record.query as usize];
        let before = pairs.len();
        pairs.push(pair(query, &passages[record.positives[0] as usize]));
        let relevant = records.relevant(record.query);
        let others = (0..passages.len()).map(|at| (number + at * stride) % passages.len());
        let others = others.filter(|&at| relevant.binary_search(&(at as u32)).is_err());
        pairs.extend(others.take(CANDIDATES - 1).map(|at| pair(query, &passages[at])));
        sizes.push(pairs.len() - before);
    }
    (pairs, sizes)
}
