//! `wgrad pretrain`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::builder::PossibleValuesParser;

use super::input::Layout;
use super::training::TrainingArgs;
use super::{Ending, Failure, Global};
use crate::checkpoint::{ModelDirectory, read_config};
use crate::data::{TokenBlocks, Tokenizer};
use crate::train::pretrain::{Corpus, OBJECTIVES, Start, pretrain};
use crate::train::session::max_length;

/// Pre-trains an encoder.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  wgrad pretrain --objective retromae --data corpus.txt --config config.json --tokenizer tokenizer \\
                 --steps 2000 --out runs/retromae
  wgrad pretrain --out runs/retromae --resume")]
pub struct Args {
    #[command(flatten)]
    training: TrainingArgs,
    /// What to learn.
    #[arg(long, value_parser = PossibleValuesParser::new(OBJECTIVES))]
    objective: Option<String>,
    /// The config.json of a fresh model.
    #[arg(long, value_name = "FILE", conflicts_with = "init")]
    config: Option<PathBuf>,
    /// The folder with the tokenizer; that of --init if not given.
    #[arg(long, value_name = "DIR")]
    tokenizer: Option<PathBuf>,
    /// Where a document ends in plain text [default: lines].
    #[arg(long, value_enum)]
    layout: Option<Layout>,
}

pub fn run(global: &Global, args: &Args) -> Result<Ending, Failure> {
    let mut recipe = args.training.recipe(global)?;
    let text = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
    recipe.flag("objective", args.objective.clone());
    recipe.flag("config", text(&args.config));
    recipe.flag("tokenizer", text(&args.tokenizer));
    recipe.flag("layout", args.layout.map(|layout| layout.name().to_string()));
    let data: String = recipe.required("data")?;
    let init: Option<String> = recipe.optional("init")?;
    let config: Option<String> = recipe.optional("config")?;
    let tokenizer: Option<String> = recipe.optional("tokenizer")?;
    let layout = Layout::of_recipe(&mut recipe)?;

    let (start, own_tokenizer) = match (init, config) {
        (Some(init), _) => {
            let directory = ModelDirectory::open(Path::new(&init))?;
            (Start::Directory(Box::new(directory)), Some(init))
        }
        (None, Some(config)) => (Start::Fresh(read_config(Path::new(&config))?), None),
        (None, None) => {
            return Err(
                "expected --init DIR (a model to go on from) or --config FILE (a fresh one)".into(),
            );
        }
    };
    let max_length = max_length(&mut recipe, start.config())?;
    let tokenizer =
        tokenizer.or(own_tokenizer).ok_or("expected --tokenizer DIR beside --config")?;
    let tokenizer = Arc::new(Tokenizer::load(Path::new(&tokenizer))?);
    let device = global.open()?;
    let session = args.training.session(global)?;
    let spinner = super::training::spinner(global);
    let blocks =
        TokenBlocks::load(Path::new(&data), layout.into(), &tokenizer, max_length, |progress| {
            spinner.set_message(format!("reading: {} tokens", progress.tokens))
        })?;
    spinner.finish_and_clear();
    let corpus = Corpus::new(tokenizer, Arc::new(blocks));
    let outcome = pretrain(&device, &mut recipe, &corpus, start, &session)?;
    super::profile::finish(global, &device)?;
    Ok(args.training.report(global, outcome))
}
