//! Contrastive fine-tuning on queries and the passages that answer them.

mod colbert;
mod cpt;

use std::sync::Arc;

use wgrad_engine::Device;
use wgrad_models::bert::Config;
use wgrad_models::{Pooling, Similarity, hybrid};

use super::Error;
use super::gradient_cache::cache_chunk;
use super::hooks::{Batches, made_ahead, written_with};
use super::objective::hybrid::options;
use super::objective::{ContrastiveObjective, HybridObjective, Objective};
use super::probe::Probe;
use super::recipe::Recipe;
use super::session::{Session, max_length};
use super::trainer::{Hooks, Outcome, Plan, TrainError, train};
use crate::checkpoint::{ModelDirectory, Purpose};
use crate::data::{self, PairBatch, PairCollator, Records, Sampler, Tokenizer};
use crate::retrieval::encode::{POOLINGS, fitting_pooling, pooling_of};

/// What fine-tuning reads.
pub struct Pairs {
    /// The model's tokenizer.
    pub tokenizer: Arc<Tokenizer>,
    /// Training records.
    pub records: Arc<Records>,
    /// The retrieval test during training.
    pub probe: Option<Probe>,
}

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

/// What fine-tuning on pairs asks of every recipe.
struct Settings {
    batch_size: usize,
    /// Tokens of the longest query.
    query_max_length: usize,
    /// Tokens of the longest passage.
    max_length: usize,
    workers: usize,
}

impl Settings {
    /// What `recipe` says; of `max_length`, `query_max_length` makes the length of queries where it says nothing.
    fn of_recipe(
        recipe: &mut Recipe,
        config: &Config,
        query_max_length: impl FnOnce(usize) -> usize,
    ) -> Result<Self, Error> {
        let batch_size = recipe.get_in("batch_size", 32, 1.., "a number of queries above 0")?;
        let max_length = max_length(recipe, config)?;
        let longest = 4..=config.max_position_embeddings;
        let bounds = "4 to the model's max_position_embeddings";
        let query_max_length =
            recipe.get_in("query_max_length", query_max_length(max_length), longest, bounds)?;
        let workers = recipe.get_in("workers", 2, 1.., "a number of threads above 0")?;
        Ok(Self { batch_size, query_max_length, max_length, workers })
    }

    /// The plan of a run over `records`, whose recipe is complete now and is written down.
    fn plan(
        &self,
        recipe: &mut Recipe,
        records: &Records,
        session: &Session,
    ) -> Result<Plan, TrainError> {
        let name = recipe.choice("objective", &OBJECTIVES, "contrastive")?;
        let per_epoch = (records.len() / self.batch_size).max(1) as u64;
        let plan = session.plan(recipe, per_epoch, name)?;
        session.record(recipe)?;
        Ok(plan)
    }

    /// Pairs with `group_size` passages a query.
    fn collator(
        &self,
        tokenizer: &Arc<Tokenizer>,
        vocabulary: usize,
        group_size: usize,
        seed: u64,
    ) -> PairCollator {
        let lengths = (self.query_max_length, self.max_length);
        PairCollator::new(tokenizer.clone(), vocabulary, lengths, group_size, seed)
    }

    /// Batches of records in which no text stands twice: `keys` names the texts of a record, `batch` makes a batch of some.
    fn batches<C: Send + Sync + 'static, B: Send + 'static>(
        &self,
        records: &Arc<Records>,
        seed: u64,
        collator: C,
        keys: fn(&C, &Records, u64, u32) -> Vec<u64>,
        batch: fn(&C, &Records, u64, &[u32]) -> data::Result<B>,
    ) -> Batches<B> {
        let (collator, records) = (Arc::new(collator), records.clone());
        let (of_texts, of_records) = (collator.clone(), records.clone());
        let sampler = Sampler::new(seed, records.len(), self.batch_size)
            .without_duplicates(move |epoch, example| keys(&of_texts, &of_records, epoch, example));
        made_ahead(self.workers, move |step| {
            let draw = sampler.draw(step);
            batch(&collator, &records, draw.epoch, &draw.examples)
        })
    }
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
    match recipe.choice("objective", &OBJECTIVES, "contrastive")? {
        "cpt" => return cpt::finetune(device, recipe, pairs, directory, session),
        "colbert" => return colbert::finetune(device, recipe, pairs, directory, session),
        _ => {}
    }
    let config = directory.config.clone();
    let settings = Settings::of_recipe(recipe, &config, |max_length| 32.min(max_length))?;
    let group_size = recipe.get_in("group_size", 1, 1.., "a number of passages above 0")?;
    let (representation, temperature) = representation(recipe, &config)?;
    let plan = settings.plan(recipe, &pairs.records, session)?;

    let options = (temperature, group_size);
    let max_length = settings.max_length;
    match representation {
        Representation::Dense { how, cache_chunk } => {
            let mut objective = ContrastiveObjective::new(device, config, how, options, plan.seed)?;
            objective.cache_chunk = cache_chunk;
            directory.load_into(objective.weights_mut())?;
            let (pooling, similarity) = how;
            let purpose = Purpose::Retriever { pooling, similarity, max_length };
            let evaluate = measured(pairs, move |objective: &ContrastiveObjective, probe| {
                Ok(probe.mrr(device, objective.encoder(), how)?)
            });
            run(objective, pairs, &settings, (group_size, purpose), (&plan, session), evaluate)
        }
        Representation::Hybrid(parts) => {
            let mut objective = HybridObjective::new(device, config, parts, options, plan.seed)?;
            let fresh = directory.load_into(objective.weights_mut())?;
            session.note_fresh(&directory.path, &fresh);
            let purpose = Purpose::Hybrid { options: parts, max_length };
            let evaluate = measured(pairs, |objective: &HybridObjective, probe| {
                Ok(probe.mrr_of_hybrid(device, &objective.model)?)
            });
            run(objective, pairs, &settings, (group_size, purpose), (&plan, session), evaluate)
        }
    }
}

/// The retrieval test during training, where there is one: `mrr` measures it.
fn measured<O>(
    pairs: &Pairs,
    mrr: impl Fn(&O, &Probe) -> Result<f64, TrainError>,
) -> impl Fn(&O) -> Result<Vec<(String, f64)>, TrainError> {
    move |objective| match &pairs.probe {
        Some(probe) => Ok(vec![("probe_mrr@10".to_string(), mrr(objective, probe)?)]),
        None => Ok(Vec::new()),
    }
}

/// Trains an objective on pairs.
fn run<O: Objective<Batch = PairBatch>>(
    mut objective: O,
    pairs: &Pairs,
    settings: &Settings,
    (group_size, purpose): (usize, Purpose),
    (plan, session): (&Plan, &Session),
    evaluate: impl Fn(&O) -> Result<Vec<(String, f64)>, TrainError>,
) -> Result<Outcome, TrainError> {
    let vocabulary = objective.encoder().config().vocab_size;
    let collator = settings.collator(&pairs.tokenizer, vocabulary, group_size, plan.seed);
    let (keys, batch) = (PairCollator::keys, PairCollator::batch);
    let batches = settings.batches(&pairs.records, plan.seed, collator, keys, batch);
    let save_model = written_with(pairs.tokenizer.clone(), settings.max_length, purpose);
    let hooks = Hooks::new(batches, evaluate, save_model);
    train(&mut objective, hooks, plan, session.place(), session.verbosity)
}
