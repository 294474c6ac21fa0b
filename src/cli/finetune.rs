//! `wgrad finetune`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::builder::PossibleValuesParser;

use super::finetune_others as others;
use super::training::TrainingArgs;
use super::{Ending, Failure, Global};
use crate::checkpoint::ModelDirectory;
use crate::data::{Records, Side, Tokenizer};
use crate::train::finetune::{Pairs, finetune, prepare};
use crate::train::probe::Probe;
use crate::train::session::max_length;

/// Fine-tunes a model.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  wgrad finetune --objective contrastive --data beir/squadshifts --init runs/retromae/model --epochs 1 \\
                 --out runs/retriever
  wgrad finetune --objective colbert --data beir/squadshifts --init runs/retromae/model --epochs 1 \\
                 --set dim=128 --set group_size=2 --out runs/colbert
  wgrad finetune --objective cross-encoder --data beir/squadshifts --init runs/retromae/model --out runs/cross
  wgrad finetune --objective classification --data sst2.train --eval-data sst2.dev --init runs/mlm/model \\
                 --out runs/sst2
  wgrad finetune --out runs/retriever --resume")]
pub struct Args {
    #[command(flatten)]
    training: TrainingArgs,
    /// What to learn.
    #[arg(long, value_parser = PossibleValuesParser::new(OBJECTIVES))]
    objective: Option<String>,
    /// Labelled texts that are answered at every evaluation, and never learned.
    #[arg(long, value_name = "FILE")]
    eval_data: Option<PathBuf>,
}

/// The objectives by the names that recipes give them.
const OBJECTIVES: [&str; 7] = [
    "contrastive",
    "cpt",
    "colbert",
    "cross-encoder",
    "classification",
    "regression",
    "token-classification",
];

/// Queries of the retrieval test during training.
const PROBE: usize = 200;
/// Passages that are searched beside the answers.
const DISTRACTORS: usize = 2000;

pub fn run(global: &Global, args: &Args) -> Result<Ending, Failure> {
    let mut recipe = args.training.recipe(global)?;
    recipe.flag("objective", args.objective.clone());
    recipe.flag("eval_data", args.eval_data.clone());
    match recipe.choice("objective", &OBJECTIVES, "contrastive")? {
        "contrastive" | "cpt" | "colbert" => {}
        "cross-encoder" => return others::cross_encoder(global, &args.training, &mut recipe),
        _ => return others::labels(global, &args.training, &mut recipe),
    }
    let data: String = recipe.required("data")?;
    let init: String = recipe.required("init")?;
    let (data, init) = (Path::new(&data), Path::new(&init));
    let directory = ModelDirectory::open(init)?;
    let tokenizer = Arc::new(prepare(&mut recipe, Tokenizer::load(init)?)?);
    let records = Arc::new(Records::load(data)?);
    let max_length = max_length(&mut recipe, &directory.config)?;
    let probe = dev_probe(data, &tokenizer, max_length)?;
    let device = global.open()?;
    let session = args.training.session(global)?;
    let pairs = Pairs { tokenizer, records, probe };
    let outcome = finetune(&device, &mut recipe, &pairs, &directory, &session)?;
    super::profile::finish(global, &device)?;
    Ok(args.training.report(global, outcome))
}

/// The development split of a BEIR folder, if there is one: some of its queries, their passages, and others.
fn dev_probe(
    data: &Path,
    tokenizer: &Tokenizer,
    max_length: usize,
) -> Result<Option<Probe>, Failure> {
    if !data.join("qrels/dev.tsv").is_file() {
        return Ok(None);
    }
    let dev = Records::from_beir(data, "dev")?;
    let chosen: Vec<_> = dev.records().iter().take(PROBE).collect();
    let mut passages: Vec<u32> = chosen.iter().map(|record| record.positives[0]).collect();
    passages.sort_unstable();
    passages.dedup();
    let known = passages.len();
    let stride = (dev.passages().len() / DISTRACTORS).max(1);
    let others = (0..dev.passages().len() as u32).step_by(stride);
    let others: Vec<u32> =
        others.filter(|at| passages[..known].binary_search(at).is_err()).collect();
    passages.extend(others);
    let answer = |passage: u32| passages.iter().position(|&at| at == passage);
    let answers = chosen
        .iter()
        .map(|record| {
            answer(record.positives[0]).expect("every answer is among the passages") as u32
        })
        .collect();
    let encode = |side: Side, text: &str| tokenizer.encode_as(side, text, max_length);
    let query = |number: u32| encode(Side::Query, &dev.queries()[number as usize]);
    let passage = |number: u32| encode(Side::Passage, &dev.passages()[number as usize]);
    let queries = chosen.iter().map(|record| query(record.query)).collect();
    let passages = passages.iter().map(|&at| passage(at)).collect();
    Ok(Some(Probe::new(queries, passages, answers, tokenizer.special().pad)))
}
