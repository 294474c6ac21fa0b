//! Training by cpt: pairs whose sides are told apart by what stands around them.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use wgrad_engine::Device;
use wgrad_models::{Pooling, Similarity};

use super::{AHEAD, Pairs};
use crate::checkpoint::{self, ModelDirectory, Purpose};
use crate::data::{Loader, PairCollator, Sampler, Tokenizer};
use crate::train::Error;
use crate::train::objective::{CptObjective, Objective};
use crate::train::recipe::Recipe;
use crate::train::session::{Session, max_length};
use crate::train::trainer::{Hooks, Outcome, TrainError, train};

/// The vector of a text is the unit vector of its last token's state (§2 of the paper).
const HOW: (Pooling, Similarity) = (Pooling::Last, Similarity::Cosine);

/// The tokenizer with delimiters around each side: those of the setting `delimiters`, or of [`Tokenizer::with_delimiters`].
pub(super) fn delimited(recipe: &mut Recipe, tokenizer: Tokenizer) -> Result<Tokenizer, Error> {
    let names: Option<String> = recipe.optional("delimiters")?;
    let tokenizer = tokenizer.with_delimiters(names.as_deref());
    tokenizer.map_err(|reason| Error::Setting(format!("--set delimiters: {reason}")))
}

/// Trains the model of `directory`.
pub(super) fn finetune(
    device: &Device,
    recipe: &mut Recipe,
    pairs: &Pairs,
    directory: &ModelDirectory,
    session: &Session,
) -> Result<Outcome, TrainError> {
    let config = directory.config.clone();
    let longest = config.max_position_embeddings;
    let batch_size: usize = recipe.get_in("batch_size", 32, 1.., "a number of pairs above 0")?;
    let max_length = max_length(recipe, &config)?;
    let bounds = "4 to the model's max_position_embeddings";
    let query_max_length = recipe.get_in("query_max_length", max_length, 4..=longest, bounds)?;
    let group_size = recipe.get_in("group_size", 1, 1.., "a number of passages above 0")?;
    let workers = recipe.get_in("workers", 2, 1.., "a number of threads above 0")?;
    let per_epoch = (pairs.records.len() / batch_size).max(1) as u64;
    let plan = session.plan(recipe, per_epoch, "cpt")?;
    session.record(recipe)?;

    let vocabulary = config.vocab_size;
    let mut objective = CptObjective::new(device, config, group_size, plan.seed)?;
    let fresh = directory.load_into(objective.weights_mut())?;
    session.note_fresh(&directory.path, &fresh);

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
    let evaluate = |objective: &CptObjective| {
        let scale = f64::from(objective.logit_scale.to_f32()[0]).exp();
        let mut results = vec![("scale".to_string(), scale)];
        if let Some(probe) = &pairs.probe {
            let mrr = probe.mrr(device, objective.encoder(), HOW)?;
            results.insert(0, ("probe_mrr@10".to_string(), mrr));
        }
        Ok(results)
    };
    let tokenizer = pairs.tokenizer.clone();
    let save_model = move |objective: &CptObjective, dir: &Path| {
        let (pooling, similarity) = HOW;
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
