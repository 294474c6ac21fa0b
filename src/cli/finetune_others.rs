//! `wgrad finetune` of models that give scores and labels instead of vectors.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::training::TrainingArgs;
use super::{Ending, Failure, Global};
use crate::checkpoint::ModelDirectory;
use crate::data::{Records, Tokenizer};
use crate::train::recipe::Recipe;
use crate::train::{cross_encoder, labels};

/// Fine-tunes a cross-encoder; the development split of a BEIR folder is the test during training.
pub fn cross_encoder(
    global: &Global,
    args: &TrainingArgs,
    recipe: &mut Recipe,
) -> Result<Ending, Failure> {
    let data: String = recipe.required("data")?;
    let init: String = recipe.required("init")?;
    let (data, init) = (Path::new(&data), Path::new(&init));
    let directory = ModelDirectory::open(init)?;
    let tokenizer = Arc::new(Tokenizer::load(init)?);
    let records = Arc::new(Records::load(data)?);
    let has_dev = data.join("qrels/dev.tsv").is_file();
    let heldout = has_dev.then(|| Records::from_beir(data, "dev")).transpose()?;
    let device = global.open()?;
    let session = args.session(global)?;
    let sources = cross_encoder::Sources { tokenizer, records, heldout };
    let outcome = cross_encoder::finetune(&device, recipe, &sources, &directory, &session)?;
    super::profile::finish(global, &device)?;
    Ok(args.report(global, outcome))
}

/// Fine-tunes on labelled texts.
pub fn labels(
    global: &Global,
    args: &TrainingArgs,
    recipe: &mut Recipe,
) -> Result<Ending, Failure> {
    let data: PathBuf = recipe.required("data")?;
    let init: String = recipe.required("init")?;
    let eval_data: Option<PathBuf> = recipe.optional("eval_data")?;
    let directory = ModelDirectory::open(Path::new(&init))?;
    let tokenizer = Arc::new(Tokenizer::load(Path::new(&init))?);
    let device = global.open()?;
    let session = args.session(global)?;
    let sources = labels::Sources { tokenizer, data, eval_data };
    let outcome = labels::finetune(&device, recipe, &sources, &directory, &session)?;
    super::profile::finish(global, &device)?;
    Ok(args.report(global, outcome))
}
