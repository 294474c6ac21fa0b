//! Contrastive fine-tuning on queries and the passages that answer them.

mod colbert;

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use wgrad_engine::Device;
use wgrad_models::{Pooling, Similarity};

use super::objective::{ContrastiveObjective, Objective};
use super::probe::Probe;
use super::recipe::Recipe;
use super::session::{Session, max_length};
use super::trainer::{Hooks, Outcome, TrainError, train};
use crate::checkpoint::{self, ModelDirectory, Purpose};
use crate::data::{Loader, PairCollator, Records, Sampler, Tokenizer};
use crate::retrieval::encode::{POOLINGS, pooling_of};

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
    let name = recipe.choice("objective", &["contrastive", "colbert"], "contrastive")?;
    if name == "colbert" {
        return colbert::run(device, recipe, pairs, directory, session);
    }
    let config = directory.config.clone();
    let longest = config.max_position_embeddings;
    let batch_size: usize = recipe.get_in("batch_size", 32, 1.., "a number of queries above 0")?;
    let max_length = max_length(recipe, &config)?;
    let bounds = "4 to the model's max_position_embeddings";
    let query_max_length =
        recipe.get_in("query_max_length", 32.min(max_length), 4..=longest, bounds)?;
    let group_size = recipe.get_in("group_size", 1, 1.., "a number of passages above 0")?;
    let pooling = recipe.choice("pooling", &POOLINGS, "cls")?;
    let similarity = recipe.choice("similarity", &["cosine", "dot"], "cosine")?;
    let temperature = if similarity == "cosine" { 0.05 } else { 1.0 };
    let temperature =
        recipe.get_in("temperature", temperature, 1e-4..=1e4, "a temperature above 0")?;
    let workers = recipe.get_in("workers", 2, 1.., "a number of threads above 0")?;
    let per_epoch = (pairs.records.len() / batch_size).max(1) as u64;
    let plan = session.plan(recipe, per_epoch, name)?;
    session.record(recipe)?;

    let how = pooling_of(pooling, similarity);
    let vocabulary = config.vocab_size;
    let mut objective =
        ContrastiveObjective::new(device, config, how, (temperature, group_size), plan.seed)?;
    directory.load_into(objective.weights_mut())?;

    let lengths = (query_max_length, max_length);
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
    let evaluate = |objective: &ContrastiveObjective| match &pairs.probe {
        Some(probe) => {
            let mrr = probe.mrr(device, objective.encoder(), how)?;
            Ok(vec![("probe_mrr@10".to_string(), mrr)])
        }
        None => Ok(Vec::new()),
    };
    let tokenizer = pairs.tokenizer.clone();
    let (pooling, similarity): (Pooling, Similarity) = how;
    let save_model = move |objective: &ContrastiveObjective, dir: &Path| {
        let purpose = Purpose::Retriever { pooling, similarity, max_length };
        checkpoint::write(dir, objective.encoder().config(), objective.weights(), purpose)?;
        tokenizer.save(dir, max_length).map_err(std::io::Error::other)
    };
    let hooks = Hooks {
        batches: Box::new(batches),
        evaluate: Box::new(evaluate),
        save_model: Box::new(save_model),
    };
    train(&mut objective, hooks, &plan, session.place(), session.verbosity)
}
