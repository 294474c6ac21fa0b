//! What `pretrain` and `finetune` have in common: flags, recipe and resume.

use std::path::PathBuf;

use indicatif::{ProgressBar, ProgressStyle};

use super::global::of_recipe;
use super::{Ending, Failure, Global};
use crate::train::recipe::Recipe;
use crate::train::session::Session;
use crate::train::trainer::Outcome;

/// Flags of every training command. Each is also a key of the recipe; a flag beats the recipe.
#[derive(clap::Args)]
pub struct TrainingArgs {
    /// The run's folder.
    #[arg(long, value_name = "RUN")]
    pub out: PathBuf,
    /// What to train on.
    #[arg(long, value_name = "PATH")]
    pub data: Option<PathBuf>,
    /// Start from this model.
    #[arg(long, value_name = "DIR")]
    pub init: Option<PathBuf>,
    /// A recipe: the same keys as TOML.
    #[arg(long, value_name = "FILE")]
    pub recipe: Option<PathBuf>,
    /// Go on from the newest checkpoint of --out, bit for bit.
    #[arg(long)]
    pub resume: bool,
    /// Optimizer steps.
    #[arg(long, value_name = "N", value_parser = of_recipe(), conflicts_with = "epochs")]
    pub steps: Option<u64>,
    /// Passes over the data, in place of steps.
    #[arg(long, value_name = "N")]
    pub epochs: Option<f64>,
    /// Rows (or queries, or documents of two spans) of a batch.
    #[arg(long, value_name = "N", value_parser = of_recipe())]
    pub batch_size: Option<u64>,
    /// Tokens of the longest row.
    #[arg(long, value_name = "T", value_parser = of_recipe())]
    pub max_length: Option<u64>,
    /// How a step follows from the gradient; LAMB scales it to each tensor, for large batches.
    #[arg(long, value_parser = ["adamw", "lamb"])]
    pub optimizer: Option<String>,
    /// The highest learning rate.
    #[arg(long, value_name = "RATE")]
    pub learning_rate: Option<f64>,
    /// Steps that the learning rate rises, or a share of all below 1.
    #[arg(long, value_name = "N")]
    pub warmup: Option<f64>,
    /// Steps between checkpoints.
    #[arg(long, value_name = "N", value_parser = of_recipe())]
    pub save_every: Option<u64>,
    /// Steps between evaluations.
    #[arg(long, value_name = "N", value_parser = of_recipe())]
    pub eval_every: Option<u64>,
    /// A setting of the objective; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

impl TrainingArgs {
    /// The recipe: that of the run when resuming, else --recipe; then the flags; then --set.
    pub fn recipe(&self, global: &Global) -> Result<Recipe, Failure> {
        let own = self.out.join("recipe.toml");
        let file = self.recipe.clone().or_else(|| (self.resume && own.exists()).then_some(own));
        let mut recipe =
            file.map_or_else(|| Ok(Recipe::default()), |file| Recipe::from_file(&file))?;
        let text = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
        recipe.flag("data", text(&self.data));
        recipe.flag("init", text(&self.init));
        recipe.flag("steps", self.steps);
        recipe.flag("epochs", self.epochs);
        recipe.flag("batch_size", self.batch_size);
        recipe.flag("max_length", self.max_length);
        recipe.flag("optimizer", self.optimizer.clone());
        recipe.flag("learning_rate", self.learning_rate);
        recipe.flag("warmup", self.warmup);
        recipe.flag("save_every", self.save_every);
        recipe.flag("eval_every", self.eval_every);
        recipe.flag("seed", global.seed);
        recipe.flag("precision", global.precision.clone());
        for assignment in &self.set {
            recipe.set(assignment)?;
        }
        Ok(recipe)
    }

    /// Opens the run folder.
    pub fn session(&self, global: &Global) -> Result<Session, Failure> {
        let session = Session::open(&self.out, self.resume, global.verbosity())?;
        if session.step() > 0 {
            log::info!("resuming after step {}", session.step());
        }
        Ok(session)
    }

    /// Says how the run ended.
    pub fn report(&self, global: &Global, outcome: Outcome) -> Ending {
        let out = self.out.display();
        match outcome {
            Outcome::Done => {
                if global.json {
                    let model = self.out.join("model");
                    println!("{}", serde_json::json!({"model": model, "done": true}));
                } else {
                    println!("model in {out}/model, curves in {out}/loss.svg");
                }
                Ending::Done
            }
            Outcome::Interrupted(step) | Outcome::Paused(step) => {
                global.say(&format!("stopped after step {step}; go on with --resume"));
                Ending::Interrupted
            }
        }
    }
}

/// A line that shows work of unknown length; hidden when quiet or when stderr is no terminal.
pub fn spinner(global: &Global) -> ProgressBar {
    let bar = if global.quiet { ProgressBar::hidden() } else { ProgressBar::new_spinner() };
    bar.set_style(
        ProgressStyle::with_template("{spinner} {msg}").expect("the template is constant"),
    );
    bar
}

/// A bar over `total` texts, with what is done to them.
pub fn bar(global: &Global, what: &str, total: usize) -> ProgressBar {
    let bar = if global.quiet { ProgressBar::hidden() } else { ProgressBar::new(total as u64) };
    let template = format!("{what} {{bar:30}} {{pos}}/{{len}} {{eta}}");
    bar.set_style(ProgressStyle::with_template(&template).expect("names hold no braces"));
    bar
}
