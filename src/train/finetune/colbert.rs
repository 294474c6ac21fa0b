//! ColBERT: as contrastive fine-tuning, with a vector for every token.

use std::path::Path;
use std::sync::Arc;

use wgrad_engine::Device;

use super::{Pairs, Settings, measured};
use crate::checkpoint::{LateInteraction, ModelDirectory, punctuation, write_late};
use crate::data::{ColbertCollator, Marking, Side, Tokenizer};
use crate::retrieval::late;
use crate::train::objective::{ColbertObjective, ColbertSettings, Objective};
use crate::train::recipe::Recipe;
use crate::train::session::Session;
use crate::train::trainer::{Hooks, Outcome, TrainError, train};

/// Texts of the retrieval test that are encoded together.
const BATCH: usize = 64;

/// Fine-tunes the model of `directory` to late interaction; its projection is fresh if it has none.
pub(super) fn finetune(
    device: &Device,
    recipe: &mut Recipe,
    pairs: &Pairs,
    directory: &ModelDirectory,
    session: &Session,
) -> Result<Outcome, TrainError> {
    let found = directory.late_interaction()?;
    let longest = directory.config.max_position_embeddings;
    let options = ColbertSettings::of_recipe(recipe, found.as_ref().map(|late| late.width))?;
    let published = found.unwrap_or_else(|| LateInteraction::new(options.width));
    let of_queries = published.lengths[0].min(longest);
    let settings = Settings::of_recipe(recipe, &directory.config, |_| of_queries)?;
    let attends = recipe.get("attend_to_masks", published.attends)?;
    let skips = recipe.get("mask_punctuation", !published.skipped.is_empty())?;
    let plan = settings.plan(recipe, &pairs.records, session)?;

    let lengths = [settings.query_max_length, settings.max_length];
    let mut late = LateInteraction { width: options.width, lengths, attends, ..published };
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
    let mut objective = ColbertObjective::new(device, config, options, plan.seed)?;
    let fresh = directory.load_into(objective.weights_mut())?;
    session.note_fresh(&directory.path, &fresh);

    let of_pairs = settings.collator(&tokenizer, vocabulary, options.group_size, plan.seed);
    let collator = ColbertCollator::new(of_pairs, marking.clone());
    let (keys, batch) = (ColbertCollator::keys, ColbertCollator::batch);
    let batches = settings.batches(&pairs.records, plan.seed, collator, keys, batch);
    let evaluate = measured(pairs, |objective: &ColbertObjective, probe| {
        probe.mrr_by(|queries, passages, depth| {
            let vectors = |side, texts: &[Vec<u32>]| {
                late::encode(device, &objective.model, &marking, (side, BATCH), texts, |_| {})
            };
            let (q, d) = (vectors(Side::Query, queries)?, vectors(Side::Passage, passages)?);
            Ok::<_, TrainError>(late::search(device, &q, &d, depth, |_| {}))
        })
    });
    let save_model = |objective: &ColbertObjective, dir: &Path| {
        write_late(dir, objective.encoder().config(), objective.weights(), &late)?;
        tokenizer.save(dir, settings.max_length).map_err(std::io::Error::other)
    };
    let hooks = Hooks::new(batches, evaluate, save_model);
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
