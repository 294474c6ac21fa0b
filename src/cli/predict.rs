//! `wgrad predict`: what a classifier, a regression or a tagger answers, and how often it is right.

use std::path::PathBuf;
use std::sync::Arc;

use wgrad_models::labels::labels;

use super::output::expect_writable;
use super::{Failure, Global};
use crate::checkpoint::ModelDirectory;
use crate::data::{Examples, Kind, Tokenizer, atomic};
use crate::train::labels::{Predictions, Test, collator};
use crate::train::objective::{LabelObjective, Objective};

/// Answers labelled texts.
#[derive(clap::Args)]
#[command(after_help = "\
Example:  wgrad predict --model runs/sst2/model --data stsa.binary.test --out answers.tsv

A line of the output is the answer and its scores, in the order of config.json's id2label; of tags a line a word, and
an empty line between texts.")]
pub struct Args {
    /// The model, from `wgrad finetune --objective classification`, `regression` or `token-classification`.
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// Labelled texts, as `wgrad finetune` takes them.
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// Tokens of the longest row. Without it what the model was fine-tuned with.
    #[arg(long, value_name = "T")]
    max_length: Option<usize>,
    /// Texts answered together.
    #[arg(long, value_name = "N", default_value_t = 64)]
    batch_size: usize,
    /// The file that gets answers and scores.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Tokens of a row at least: [CLS], one of each of two texts and both [SEP].
const SHORTEST: usize = 5;

pub fn run(global: &Global, args: &Args) -> Result<(), Failure> {
    if args.batch_size == 0 {
        return Err("--batch-size is 0, expected 1 or more".into());
    }
    if let Some(out) = &args.out {
        expect_writable("--out", out)?;
    }
    let directory = ModelDirectory::open(&args.model)?;
    let config = directory.config.clone();
    let names = labels(&config).map_err(|reason| directory.wrong_config(reason))?;
    let kind = kind_of(&directory, names.len());
    let limit = config.max_position_embeddings;
    let trained = directory.longest_row()?.map_or(limit, |longest| longest.min(limit));
    let longest = args.max_length.unwrap_or(trained);
    if !(SHORTEST..=limit).contains(&longest) {
        let bounds = format!("{SHORTEST} to the model's max_position_embeddings {limit}");
        return Err(format!("--max-length is {longest}, expected {bounds}").into());
    }
    let collator = collator(&config, Arc::new(Tokenizer::load(&args.model)?), longest);
    let test = Test::new(&Examples::load(&args.data, kind)?, &names, &collator, args.batch_size)?;

    let device = global.open()?;
    let mut objective = LabelObjective::new(&device, config, kind, 0)?;
    directory.load_whole(objective.weights_mut())?;
    let predictions = test.predict(&device, &objective)?;
    if let Some(out) = &args.out {
        atomic::write_file(out, table(&predictions, &names, &test, kind).as_bytes())?;
    }
    super::profile::finish(global, &device)?;
    let measures = test.measure(&predictions);
    if global.json {
        let json: serde_json::Map<_, _> = measures
            .into_iter()
            .map(|(name, value)| (name.to_string(), value.into()))
            .chain([("answers".to_string(), predictions.rows().count().into())])
            .collect();
        println!("{}", serde_json::Value::Object(json));
        return Ok(());
    }
    for (name, value) in measures {
        println!("{name:<16} {value:.4}");
    }
    Ok(())
}

/// What the model answers with: its class by config.json, and its number of answers.
fn kind_of(directory: &ModelDirectory, answers: usize) -> Kind {
    let classes = directory.config.rest.get("architectures");
    let class = classes.and_then(|all| all[0].as_str()).unwrap_or_default();
    if class.ends_with("ForTokenClassification") {
        Kind::Tags
    } else if answers == 1 {
        Kind::Number
    } else {
        Kind::Class
    }
}

fn table(predictions: &Predictions, names: &[String], test: &Test, kind: Kind) -> String {
    let line = |(class, scores): (&u32, &[f32])| {
        let scores = scores.iter().map(f32::to_string).collect::<Vec<_>>().join("\t");
        match kind {
            Kind::Number => scores + "\n",
            _ => format!("{}\t{scores}\n", names[*class as usize]),
        }
    };
    let classes = predictions.classes();
    let mut lines = classes.iter().zip(predictions.rows()).map(line);
    if kind != Kind::Tags {
        return lines.collect();
    }
    let text = |words: usize| lines.by_ref().take(words).collect::<String>() + "\n";
    test.words().into_iter().map(text).collect()
}
