//! Fine-tuning on labels: classification and regression of texts, classification of tokens.

use std::path::PathBuf;
use std::sync::Arc;

use wgrad_engine::Device;
use wgrad_models::bert::Config;
use wgrad_models::labels::{labels, with_labels};

use super::hooks::{made_ahead, written_with};
use super::measures::{accuracy, macro_f1, pearson, span_f1, spearman};
use super::objective::{BatchError, LabelObjective, Objective};
use super::recipe::Recipe;
use super::session::{Session, max_length};
use super::trainer::{Hooks, Outcome, TrainError, heldout, train};
use crate::checkpoint::{ModelDirectory, Purpose};
use crate::data::labelled::Order;
use crate::data::{self, Examples, Kind, LabelBatch, LabelCollator, Sampler, Tokenizer};

/// The objectives that learn from labels.
pub const OBJECTIVES: [&str; 3] = ["classification", "regression", "token-classification"];

/// What an objective of [`OBJECTIVES`] answers with.
pub fn kind_of(objective: &str) -> Kind {
    match objective {
        "regression" => Kind::Number,
        "token-classification" => Kind::Tags,
        _ => Kind::Class,
    }
}

/// What fine-tuning reads.
pub struct Sources {
    /// The model's tokenizer.
    pub tokenizer: Arc<Tokenizer>,
    /// What is learned.
    pub data: PathBuf,
    /// What is answered during training, and never learned.
    pub eval_data: Option<PathBuf>,
}

/// Fine-tunes the model of `directory` by one of [`OBJECTIVES`].
///
/// # Errors
/// [`TrainError`].
pub fn finetune(
    device: &Device,
    recipe: &mut Recipe,
    sources: &Sources,
    directory: &ModelDirectory,
    session: &Session,
) -> Result<Outcome, TrainError> {
    let name = recipe.choice("objective", &OBJECTIVES, "classification")?;
    let kind = kind_of(name);
    let batch_size: usize = recipe.get_in("batch_size", 32, 1.., "a number of texts above 0")?;
    let max_length = max_length(recipe, &directory.config)?;
    let workers = recipe.get_in("workers", 2, 1.., "a number of threads above 0")?;
    let training = Examples::load(&sources.data, kind)?;
    let plan = session.plan(recipe, (training.examples.len() / batch_size).max(1) as u64, name)?;
    session.record(recipe)?;

    let config = labelled_config(&directory.config, &training, kind);
    let names = labels(&config).map_err(|reason| directory.wrong_config(reason))?;
    let collator = collator(&config, sources.tokenizer.clone(), max_length);
    let test = match &sources.eval_data {
        Some(path) => Some(Test::new(&Examples::load(path, kind)?, &names, &collator, batch_size)?),
        None => None,
    };
    let mut objective = LabelObjective::new(device, config, kind, plan.seed)?;
    let fresh = directory.load_into(objective.weights_mut())?;
    session.note_fresh(&directory.path, &fresh);

    let sampler = Sampler::new(plan.seed, training.examples.len(), batch_size);
    let classes = training.numbered(&names)?;
    let batches = made_ahead(workers, move |step| {
        collator.batch(&training.examples, &classes, &sampler.draw(step).examples)
    });
    let evaluate = |objective: &LabelObjective| {
        let Some(test) = &test else { return Ok(Vec::new()) };
        let mut results = heldout(objective, device, &test.batches)?;
        let measures = test.measure(&test.predict(device, objective)?);
        results.extend(measures.into_iter().map(|(name, value)| (format!("probe_{name}"), value)));
        Ok(results)
    };
    let purpose = if kind == Kind::Tags { Purpose::TokenLabels } else { Purpose::TextLabels };
    let save_model = written_with(sources.tokenizer.clone(), max_length, purpose);
    let hooks = Hooks::new(batches, evaluate, save_model);
    train(&mut objective, hooks, &plan, session.place(), session.verbosity)
}

/// What makes the batches of a model.
pub fn collator(config: &Config, tokenizer: Arc<Tokenizer>, max_length: usize) -> LabelCollator {
    let order = if config.model_type == "xlnet" { Order::Last } else { Order::First };
    LabelCollator { tokenizer, model_vocab_size: config.vocab_size, max_length, order }
}

/// A model that answers with the classes of the data; one that knows them all already keeps its own numbers of them.
fn labelled_config(config: &Config, training: &Examples, kind: Kind) -> Config {
    if kind == Kind::Number {
        return with_labels(config, &["LABEL_0".into()], Some("regression"));
    }
    let problem = (kind == Kind::Class).then_some("single_label_classification");
    let found = training.classes();
    let known = labels(config).unwrap_or_default();
    let names = if found.iter().all(|name| known.contains(name)) { known } else { found };
    with_labels(config, &names, problem)
}

/// Labelled texts that a model is measured by.
pub struct Test {
    batches: Vec<LabelBatch>,
    names: Vec<String>,
    kind: Kind,
}

/// Scores of every answer `[N, C]`: a row for each text, or for each word.
pub struct Predictions {
    /// Row by row.
    pub scores: Vec<f32>,
    /// C.
    pub answers: usize,
}

impl Predictions {
    /// The rows.
    pub fn rows(&self) -> impl Iterator<Item = &[f32]> {
        self.scores.chunks_exact(self.answers)
    }

    /// The class of the highest score of each row, the first of equal ones.
    pub fn classes(&self) -> Vec<u32> {
        let best = |row: &[f32]| {
            let mut best = 0;
            for (class, score) in row.iter().enumerate() {
                if *score > row[best] {
                    best = class;
                }
            }
            best as u32
        };
        self.rows().map(best).collect()
    }
}

impl Test {
    /// Batches of all `examples`, whose labels are among `names`.
    ///
    /// # Errors
    /// [`data::Error`] for a label that is none of them, or a tokenizer that is not the model's.
    pub fn new(
        examples: &Examples,
        names: &[String],
        collator: &LabelCollator,
        batch_size: usize,
    ) -> Result<Self, data::Error> {
        let classes = examples.numbered(names)?;
        let all: Vec<u32> = (0..examples.examples.len() as u32).collect();
        let batch = |chosen: &[u32]| collator.batch(&examples.examples, &classes, chosen);
        let batches = all.chunks(batch_size).map(batch).collect::<Result<_, _>>()?;
        Ok(Self { batches, names: names.to_vec(), kind: examples.kind() })
    }

    /// What the model answers, in the order of the examples.
    ///
    /// # Errors
    /// [`BatchError::Input`] for an id that the model has no row for.
    pub fn predict(
        &self,
        device: &Device,
        objective: &LabelObjective,
    ) -> Result<Predictions, BatchError> {
        let mut scores = Vec::new();
        for batch in &self.batches {
            scores.extend(objective.predict(device, batch)?);
        }
        Ok(Predictions { scores, answers: objective.answers() })
    }

    /// How good that is: of classes accuracy and macro-F1, of numbers both correlations, of tags the accuracy of words and
    /// the F1 of spans, or macro-F1 where the tags are of no spans.
    pub fn measure(&self, predictions: &Predictions) -> Vec<(&'static str, f64)> {
        if self.kind == Kind::Number {
            let truth = self.batches.iter().flat_map(|batch| &batch.numbers);
            let truth: Vec<f64> = truth.map(|&number| f64::from(number)).collect();
            let found: Vec<f64> = predictions.rows().map(|row| f64::from(row[0])).collect();
            return vec![
                ("pearson", pearson(&truth, &found)),
                ("spearman", spearman(&truth, &found)),
            ];
        }
        let truth: Vec<u32> =
            self.batches.iter().flat_map(|batch| batch.classes.iter().copied()).collect();
        let found = predictions.classes();
        let accuracy = accuracy(&truth, &found);
        if self.kind == Kind::Class {
            return vec![("accuracy", accuracy), ("macro_f1", macro_f1(&truth, &found))];
        }
        let f1 = if self.names.iter().any(|name| name.starts_with("B-")) {
            let tags = |classes: &[u32]| -> Vec<&str> {
                classes.iter().map(|&class| self.names[class as usize].as_str()).collect()
            };
            ("span_f1", span_f1(&tags(&truth), &tags(&found), &self.words()))
        } else {
            ("macro_f1", macro_f1(&truth, &found))
        };
        vec![("token_accuracy", accuracy), f1]
    }

    /// Words of each text that have tags.
    pub fn words(&self) -> Vec<usize> {
        let of_batch = |batch: &LabelBatch| {
            let mut words = vec![0; batch.text.rows];
            batch.places.iter().for_each(|&place| words[place as usize / batch.text.tokens] += 1);
            words
        };
        self.batches.iter().flat_map(of_batch).collect()
    }
}
