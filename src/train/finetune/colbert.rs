//! ColBERT: as contrastive fine-tuning, with a vector for every token.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use wgrad_engine::Device;

use super::{AHEAD, Pairs};
use crate::checkpoint::{LateInteraction, ModelDirectory, punctuation, write_late};
use crate::data::{ColbertCollator, Loader, Marking, PairCollator, Sampler, Side, Tokenizer};
use crate::retrieval::late;
use crate::train::objective::{ColbertObjective, ColbertSettings, Objective};
use crate::train::recipe::Recipe;
use crate::train::session::{Session, max_length};
use crate::train::trainer::{Hooks, Outcome, TrainError, train};

/// Texts of the retrieval test that are encoded together.
const BATCH: usize = 64;

/// Fine-tunes the model of `directory` to late interaction; its projection is fresh if it has none.
pub(super) fn run(
    device: &Device,
    recipe: &mut Recipe,
    pairs: &Pairs,
    directory: &ModelDirectory,
    session: &Session,
) -> Result<Outcome, TrainError> {
    let found = directory.late_interaction()?;
    let longest = directory.config.max_position_embeddings;
    let batch_size: usize = recipe.get_in("batch_size", 32, 1.., "a number of queries above 0")?;
    let max_length = max_length(recipe, &directory.config)?;
    let settings = ColbertSettings::of_recipe(recipe, found.as_ref().map(|late| late.width))?;
    let published = found.unwrap_or_else(|| LateInteraction::new(settings.width));
    let bounds = "4 to the model's max_position_embeddings";
    let query_max_length = published.lengths[0].min(longest);
    let query_max_length =
        recipe.get_in("query_max_length", query_max_length, 4..=longest, bounds)?;
    let attends = recipe.get("attend_to_masks", published.attends)?;
    let skips = recipe.get("mask_punctuation", !published.skipped.is_empty())?;
    let workers = recipe.get_in("workers", 2, 1.., "a number of threads above 0")?;
    let per_epoch = (pairs.records.len() / batch_size).max(1) as u64;
    let plan = session.plan(recipe, per_epoch, "colbert")?;
    session.record(recipe)?;

    let lengths = [query_max_length, max_length];
    let mut late = LateInteraction { width: settings.width, lengths, attends, ..published };
    match skips {
        true if late.skipped.is_empty() => late.skipped = punctuation(),
        true => {}
        false => late.skipped.clear(),
    }
    let (tokenizer, markers) = marked(&pairs.tokenizer, &mut late);
    let tokenizer = Arc::new(tokenizer);
    let grown = directory.with_words(tokenizer.vocab_size());
    let directory = grown.as_ref().unwrap_or(directory);
    let vocabulary = directory.config.vocab_size;
    let mut marking = Marking::new(&tokenizer, vocabulary, markers, lengths, &late.skipped);
    marking.attends = attends;

    let config = directory.config.clone();
    let mut objective = ColbertObjective::new(device, config, settings, plan.seed)?;
    let fresh = directory.load_into(objective.weights_mut())?;
    session.note_fresh(&directory.path, &fresh);

    let of_pairs = PairCollator::new(
        tokenizer.clone(),
        vocabulary,
        (query_max_length, max_length),
        settings.group_size,
        plan.seed,
    );
    let collator = Arc::new(ColbertCollator::new(of_pairs, marking.clone()));
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
    let evaluate = |objective: &ColbertObjective| {
        let Some(probe) = &pairs.probe else { return Ok(Vec::new()) };
        let model = &objective.model;
        let mrr = probe.mrr_by(|queries, passages, depth| {
            let vectors = |side, texts: &[Vec<u32>]| {
                late::encode(device, model, &marking, (side, BATCH), texts, |_| {})
            };
            let (q, d) = (vectors(Side::Query, queries)?, vectors(Side::Passage, passages)?);
            Ok::<_, TrainError>(late::search(device, &q, &d, depth, |_| {}))
        })?;
        Ok(vec![("probe_mrr@10".to_string(), mrr)])
    };
    let save_model = |objective: &ColbertObjective, dir: &Path| {
        write_late(dir, objective.encoder().config(), objective.weights(), &late)?;
        tokenizer.save(dir, max_length).map_err(std::io::Error::other)
    };
    let hooks = Hooks {
        batches: Box::new(batches),
        evaluate: Box::new(evaluate),
        save_model: Box::new(save_model),
    };
    train(&mut objective, hooks, &plan, session.place(), session.verbosity)
}

/// A tokenizer that has both markers, and their ids: those that the directory names, else `[Q]` and `[D]`, which are added.
fn marked(tokenizer: &Tokenizer, late: &mut LateInteraction) -> (Tokenizer, [u32; 2]) {
    let ids = |tokenizer: &Tokenizer, markers: &[String; 2]| {
        Some([tokenizer.id_of(&markers[0])?, tokenizer.id_of(&markers[1])?])
    };
    if let Some(markers) = ids(tokenizer, &late.markers) {
        return (tokenizer.clone(), markers);
    }
    late.markers = ["[Q]", "[D]"].map(str::to_string);
    let more = tokenizer.with_special_tokens(&["[Q]", "[D]"]);
    let markers = ids(&more, &late.markers).expect("both were added");
    (more, markers)
}
