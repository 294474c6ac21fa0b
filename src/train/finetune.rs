//! Contrastive fine-tuning on queries and the passages that answer them.

mod colbert;
mod cpt;

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use wgrad_engine::Device;
use wgrad_models::bert::Config;
use wgrad_models::{Pooling, Similarity, hybrid};

use super::Error;
use super::gradient_cache::cache_chunk;
use super::objective::hybrid::options;
use super::objective::{ContrastiveObjective, HybridObjective, Objective};
use super::probe::Probe;
use super::recipe::Recipe;
use super::session::{Session, max_length};
use super::trainer::{Hooks, Outcome, Plan, TrainError, train};
use crate::checkpoint::{self, ModelDirectory, Purpose};
use crate::data::{Loader, PairBatch, PairCollator, Records, Sampler, Tokenizer};
use crate::retrieval::encode::{self, POOLINGS, fitting_pooling, pooling_of};

/// What fine-tuning reads.
pub struct Pairs {
    /// The model's tokenizer.
    pub tokenizer: Arc<Tokenizer>,
    /// Training records.
    pub records: Arc<Records>,
    /// The retrieval test during training.
    pub probe: Option<Probe>,
}

/// Batches made ahead of the device.
const AHEAD: usize = 8;

/// The objectives by the names that recipes give them.
pub const OBJECTIVES: [&str; 3] = ["contrastive", "cpt", "colbert"];

/// The tokenizer as the recipe's objective needs it.
///
/// # Errors
/// [`Error::Setting`] for delimiters that it does not have.
pub fn prepare(recipe: &mut Recipe, tokenizer: Tokenizer) -> Result<Tokenizer, Error> {
    match recipe.choice("objective", &OBJECTIVES, "contrastive")? {
        "cpt" => cpt::delimited(recipe, tokenizer),
        _ => Ok(tokenizer),
    }
}

/// What a retriever makes of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Representation {
    /// One vector.
    Dense {
        /// Of all states.
        how: (Pooling, Similarity),
        /// Texts that are encoded together, if not all of a batch are.
        cache_chunk: Option<usize>,
    },
    /// A short vector, and entries of the vocabulary.
    Hybrid(hybrid::Options),
}

/// What the recipe says of the representation, and τ, what similarities are divided by.
///
/// # Errors
/// [`Error::Setting`] for a value out of range.
pub fn representation(
    recipe: &mut Recipe,
    config: &Config,
) -> Result<(Representation, f32), Error> {
    let kind = recipe.choice("representation", &["dense", "hybrid"], "dense")?;
    let (representation, temperature) = if kind == "hybrid" {
        recipe.choice("similarity", &["dot"], "dot")?;
        (Representation::Hybrid(options(recipe, config)?), 1.0)
    } else {
        let pooling = recipe.choice("pooling", &POOLINGS, fitting_pooling(&config.model_type))?;
        let similarity = recipe.choice("similarity", &["cosine", "dot"], "cosine")?;
        let temperature = if similarity == "cosine" { 0.05 } else { 1.0 };
        let how = pooling_of(pooling, similarity);
        (Representation::Dense { how, cache_chunk: cache_chunk(recipe)? }, temperature)
    };
    let bounds = "a temperature above 0";
    Ok((representation, recipe.get_in("temperature", temperature, 1e-4..=1e4, bounds)?))
}

/// What the batches of every fine-tuning objective have in common.
struct Settings {
    batch_size: usize,
    /// Tokens of the longest query and of the longest passage.
    lengths: (usize, usize),
    group_size: usize,
    workers: usize,
}

/// Fine-tunes the model of `directory`.
///
/// # Errors
/// [`TrainError`].
pub fn finetune(
    device: &Device,
    recipe: &mut Recipe,
    pairs: &Pairs,
    directory: &ModelDirectory,
    session: &Session,
) -> Result<Outcome, TrainError> {
    let name = recipe.choice("objective", &OBJECTIVES, "contrastive")?;
    match name {
        "cpt" => return cpt::finetune(device, recipe, pairs, directory, session),
        "colbert" => return colbert::run(device, recipe, pairs, directory, session),
        _ => {}
    }
    let config = directory.config.clone();
    let longest = config.max_position_embeddings;
    let batch_size: usize = recipe.get_in("batch_size", 32, 1.., "a number of queries above 0")?;
    let max_length = max_length(recipe, &config)?;
    let bounds = "4 to the model's max_position_embeddings";
    let query_max_length =
        recipe.get_in("query_max_length", 32.min(max_length), 4..=longest, bounds)?;
    let group_size = recipe.get_in("group_size", 1, 1.., "a number of passages above 0")?;
    let (representation, temperature) = representation(recipe, &config)?;
    let workers = recipe.get_in("workers", 2, 1.., "a number of threads above 0")?;
    let per_epoch = (pairs.records.len() / batch_size).max(1) as u64;
    let plan = session.plan(recipe, per_epoch, name)?;
    session.record(recipe)?;

    let lengths = (query_max_length, max_length);
    let settings = Settings { batch_size, lengths, group_size, workers };
    let options = (temperature, group_size);
    match representation {
        Representation::Dense { how, cache_chunk } => {
            let mut objective = ContrastiveObjective::new(device, config, how, options, plan.seed)?;
            objective.cache_chunk = cache_chunk;
            directory.load_into(objective.weights_mut())?;
            let (pooling, similarity) = how;
            let purpose = Purpose::Retriever { pooling, similarity, max_length };
            run(objective, pairs, &settings, (&plan, session), purpose, |objective, probe| {
                probe.mrr(device, objective.encoder(), how)
            })
        }
        Representation::Hybrid(parts) => {
            let mut objective = HybridObjective::new(device, config, parts, options, plan.seed)?;
            let fresh = directory.load_into(objective.weights_mut())?;
            session.note_fresh(&directory.path, &fresh);
            let purpose = Purpose::Hybrid { options: parts, max_length };
            run(objective, pairs, &settings, (&plan, session), purpose, |objective, probe| {
                probe.mrr_of_hybrid(device, &objective.model)
            })
        }
    }
}

/// Trains an objective on pairs; `measure` is its retrieval test.
fn run<O: Objective<Batch = PairBatch>>(
    mut objective: O,
    pairs: &Pairs,
    settings: &Settings,
    (plan, session): (&Plan, &Session),
    purpose: Purpose,
    measure: impl Fn(&O, &Probe) -> Result<f64, encode::Error>,
) -> Result<Outcome, TrainError> {
    let &Settings { batch_size, lengths, group_size, workers } = settings;
    let vocabulary = objective.encoder().config().vocab_size;
    let collator =
        PairCollator::new(pairs.tokenizer.clone(), vocabulary, lengths, group_size, plan.seed);
    let collator = Arc::new(collator);
    let (keys, records) = (collator.clone(), pairs.records.clone());
    let sampler = Sampler::new(plan.seed, records.len(), batch_size)
        .without_duplicates(move |epoch, example| keys.keys(&records, epoch, example));
    let (sampler, records) = (Arc::new(sampler), pairs.records.clone());
    let batches = move |steps: Range<u64>| {
        let (sampler, records, collator) = (sampler.clone(), records.clone(), collator.clone());
        Loader::new(steps, workers, AHEAD, move |step| {
            let draw = sampler.draw(step);
            collator.batch(&records, draw.epoch, &draw.examples)
        })
    };
    let evaluate = |objective: &O| match &pairs.probe {
        Some(probe) => Ok(vec![("probe_mrr@10".to_string(), measure(objective, probe)?)]),
        None => Ok(Vec::new()),
    };
    let tokenizer = pairs.tokenizer.clone();
    let save_model = move |objective: &O, dir: &Path| {
        checkpoint::write(dir, objective.encoder().config(), objective.weights(), purpose)?;
        tokenizer.save(dir, lengths.1).map_err(std::io::Error::other)
    };
    let hooks = Hooks {
        batches: Box::new(batches),
        evaluate: Box::new(evaluate),
        save_model: Box::new(save_model),
    };
    train(&mut objective, hooks, plan, session.place(), session.verbosity)
}
