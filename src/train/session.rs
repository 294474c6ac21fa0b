//! Where a run lives and what it is to do: the run folder, the checkpoint it goes on from, the plan.

use std::cell::OnceCell;
use std::path::Path;

use wgrad_engine::device::Format;
use wgrad_engine::optimizer::{AdamWSettings, Scaling};
use wgrad_engine::schedule::{Decay, Schedule};
use wgrad_models::bert::Config;

use super::Error;
use super::progress::Verbosity;
use super::recipe::Recipe;
use super::run_folder::{Checkpoint, RunFolder};
use super::trainer::{Place, Plan};

/// Tokens of the longest row, where nothing else is asked for and the model has as many positions.
const MAX_LENGTH: usize = 128;

/// Reads how many tokens the longest row has.
///
/// # Errors
/// [`Error::Setting`] for more than the model has positions, or too few for a text.
pub fn max_length(recipe: &mut Recipe, config: &Config) -> Result<usize, Error> {
    let limit = config.max_position_embeddings;
    let bounds = format!("4 to the model's max_position_embeddings {limit}");
    recipe.get_in("max_length", MAX_LENGTH.min(limit), 4..=limit, &bounds)
}

/// A run folder that is open for training.
pub struct Session {
    run: RunFolder,
    checkpoint: Option<Checkpoint>,
    recipe: OnceCell<String>,
    /// How much a person sees.
    pub verbosity: Verbosity,
    /// [`Plan::pause_after`]; none when opened.
    pub pause_after: Option<u64>,
}

impl Session {
    /// Opens the folder `out` for a new run, or with `resume` to go on from its newest checkpoint.
    ///
    /// # Errors
    /// As [`RunFolder::create`], or as [`RunFolder::resume`] and [`RunFolder::latest_checkpoint`].
    pub fn open(out: &Path, resume: bool, verbosity: Verbosity) -> Result<Self, Error> {
        let run = if resume { RunFolder::resume(out)? } else { RunFolder::create(out)? };
        let checkpoint = if resume { run.latest_checkpoint()? } else { None };
        if resume && checkpoint.is_none() {
            run.rewind(0)?;
        }
        Ok(Self { run, checkpoint, recipe: OnceCell::new(), verbosity, pause_after: None })
    }

    /// Steps taken before this session.
    pub fn step(&self) -> u64 {
        self.checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.step)
    }

    /// The folder, the checkpoint to go on from, and the recorded recipe.
    pub fn place(&self) -> Place<'_> {
        let recipe = self.recipe.get().expect("the recipe is recorded before training begins");
        Place { run: &self.run, checkpoint: self.checkpoint.as_ref(), recipe }
    }

    /// Reads the settings that every objective shares; an epoch has `per_epoch` batches.
    ///
    /// # Errors
    /// [`Error::Setting`] for a value out of range.
    pub fn plan(&self, recipe: &mut Recipe, per_epoch: u64, title: &str) -> Result<Plan, Error> {
        let seed = recipe.get("seed", 42_u64)?;
        let accumulate = recipe.get_in("accumulate", 1, 1.., "a number of batches above 0")?;
        let epochs: Option<f64> = recipe.optional("epochs")?;
        let steps = match epochs {
            Some(epochs) => {
                recipe.get_in(
                    "epochs",
                    epochs,
                    f64::MIN_POSITIVE..,
                    "a number of epochs above 0",
                )?;
                (epochs * per_epoch as f64 / accumulate as f64).ceil() as u64
            }
            None => recipe.get_in("steps", 1000_u64, 1.., "a number of steps above 0")?,
        };
        let peak = recipe.get_in("learning_rate", 1e-4, 0.0..=1.0, "a rate of at most 1")?;
        let warmup: f64 =
            recipe.get_in("warmup", 0.1, 0.0.., "a share below 1, or a number of steps")?;
        let warmup_steps =
            if warmup < 1.0 { (warmup * steps as f64) as u64 } else { warmup as u64 };
        let decay = recipe.choice("schedule", &["linear", "cosine", "constant"], "linear")?;
        let decay = match decay {
            "cosine" => Decay::Cosine,
            "constant" => Decay::Constant,
            _ => Decay::Linear,
        };
        let format = precision(recipe)?;
        let clip = recipe.get_in("clip", 1.0, 0.0.., "a norm, or 0 for no clipping")?;
        let rule = match recipe.choice("optimizer", &["adamw", "lamb"], "adamw")? {
            "lamb" => AdamWSettings::lamb(),
            _ => AdamWSettings::default(),
        };
        let decay_rate =
            recipe.get_in("weight_decay", rule.weight_decay, 0.0..1.0, "a rate below 1")?;
        let max_norm = (clip > 0.0).then_some(clip);
        let scaling = (format == Format::Half).then(Scaling::default);
        let optimizer = AdamWSettings { weight_decay: decay_rate, max_norm, scaling, ..rule };
        Ok(Plan {
            seed,
            steps,
            accumulate,
            schedule: Schedule { peak, warmup_steps, total_steps: steps, decay },
            format,
            optimizer,
            save_every: recipe.get("save_every", 1000_u64)?,
            eval_every: recipe.get("eval_every", 500_u64)?,
            pause_after: self.pause_after,
            title: title.to_string(),
        })
    }

    /// Checks that every key was read, and keeps the recipe for the folder: training writes it when it begins.
    ///
    /// # Errors
    /// [`Error::Setting`] for a key that nobody knows, or that a resumed run cannot change.
    pub fn record(&self, recipe: &Recipe) -> Result<(), Error> {
        recipe.finish()?;
        let path = self.run.recipe();
        if self.checkpoint.is_some() && path.exists() {
            recipe.continues(&path, &["objective", "seed", "precision", "optimizer", "layout"])?;
        }
        let text = recipe.to_toml("everything needed to run this again: wgrad … --recipe FILE");
        self.recipe.set(text).expect("a session records one recipe");
        Ok(())
    }

    /// Tells which parameters a model directory did not have.
    pub fn note_fresh(&self, path: &Path, fresh: &[String]) {
        if let (Some(first), Verbosity::Normal) = (fresh.first(), self.verbosity) {
            let count = fresh.len();
            eprintln!(
                "note: {} lacks {count} tensors ({first}, …); they start fresh",
                path.display()
            );
        }
    }
}

/// How activations lie: `precision` is `f32`, or `mixed` for f16 with f32 sums, weights and losses.
///
/// # Errors
/// [`Error::Setting`] for another name.
pub fn precision(recipe: &mut Recipe) -> Result<Format, Error> {
    let name = recipe.choice("precision", &["f32", "mixed"], "f32")?;
    Ok(if name == "mixed" { Format::Half } else { Format::Word })
}
