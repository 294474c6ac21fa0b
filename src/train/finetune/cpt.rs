//! Training by cpt: pairs whose sides are told apart by what stands around them.

use wgrad_engine::Device;
use wgrad_models::{Pooling, Similarity};

use super::{Pairs, Settings, measured, run};
use crate::checkpoint::{ModelDirectory, Purpose};
use crate::data::Tokenizer;
use crate::train::Error;
use crate::train::objective::{CptObjective, Objective};
use crate::train::recipe::Recipe;
use crate::train::session::Session;
use crate::train::trainer::{Outcome, TrainError};

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
    let settings = Settings::of_recipe(recipe, &config, |max_length| max_length)?;
    let group_size = recipe.get_in("group_size", 1, 1.., "a number of passages above 0")?;
    let plan = settings.plan(recipe, &pairs.records, session)?;

    let mut objective = CptObjective::new(device, config, group_size, plan.seed)?;
    let fresh = directory.load_into(objective.weights_mut())?;
    session.note_fresh(&directory.path, &fresh);

    let mrr = measured(pairs, |objective: &CptObjective, probe| {
        Ok(probe.mrr(device, objective.encoder(), HOW)?)
    });
    let evaluate = |objective: &CptObjective| {
        let mut results = mrr(objective)?;
        let scale = f64::from(objective.logit_scale.to_f32()[0]).exp();
        results.push(("scale".to_string(), scale));
        Ok(results)
    };
    let (pooling, similarity) = HOW;
    let purpose = Purpose::Retriever { pooling, similarity, max_length: settings.max_length };
    run(objective, pairs, &settings, (group_size, purpose), (&plan, session), evaluate)
}
