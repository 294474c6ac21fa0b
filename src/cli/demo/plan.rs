//! How many steps fit into the time of a stage: planned by its first seconds, and again some times on the way, since a
//! machine that is busy now may be free in a minute.

use std::path::Path;
use std::time::Instant;

use wgrad_engine::Device;
use wgrad_engine::device::Format;
use wgrad_models::Mode;

use crate::cli::{Failure, Global};
use crate::data;
use crate::train::metrics;
use crate::train::objective::Objective;
use crate::train::recipe::Recipe;
use crate::train::session::Session;
use crate::train::trainer::{Outcome, TrainError};

/// Steps that are timed before the first plan.
const TIMED: u64 = 3;
/// Steps that a batch size is worth having for.
const ENOUGH_STEPS: u64 = 100;
/// The fewest steps of a stage.
const FEWEST_STEPS: u64 = 10;
/// A plan is changed where it is off by more than one part in so many.
const TOLERANCE: u64 = 10;
/// Checkpoints and evaluations of a stage, by its first plan.
const PARTS: u64 = 5;

/// Rows of a batch and the learning rate that goes with them.
#[derive(Clone, Copy)]
pub struct Batch {
    pub size: usize,
    pub learning_rate: f64,
}

/// The time of a stage.
pub struct Clock {
    /// Seconds that it may take.
    budget: f64,
    /// Seconds that it took before it was stopped.
    before: f64,
    started: Instant,
}

impl Clock {
    /// Starts for the stage in folder `run`, which may have taken some of its `budget` of seconds already.
    pub fn start(run: &Path, budget: f64) -> Result<Self, Failure> {
        let path = run.join("metrics.jsonl");
        let records = if path.exists() { metrics::read(&path)? } else { Vec::new() };
        let before = records.iter().rev().find_map(|record| record.get("seconds")).unwrap_or(0.0);
        Ok(Self { budget, before, started: Instant::now() })
    }

    /// Seconds that the stage took until now.
    pub fn spent(&self) -> f64 {
        self.before + self.started.elapsed().as_secs_f64()
    }

    fn left(&self) -> f64 {
        self.budget - self.spent()
    }
}

/// A run that is planned by time.
pub struct Stage<'a> {
    global: &'a Global,
    run: &'a Path,
    /// The batches that it may be made of, the largest first.
    batches: &'a [Batch],
    clock: &'a Clock,
    /// The recipe of a stage that is yet to begin.
    fresh: Option<Recipe>,
}

impl<'a> Stage<'a> {
    /// Of the run in folder `run`.
    pub fn open(global: &'a Global, run: &'a Path, batches: &'a [Batch], clock: &'a Clock) -> Self {
        Self { global, run, batches, clock, fresh: None }
    }

    /// Whether it has a plan already.
    pub fn begun(&self) -> bool {
        self.run.join("recipe.toml").exists()
    }

    /// Plans it by the `seconds` of forward and backward a row. The optimizer, the evaluations and the checkpoints take about a
    /// quarter beside those.
    pub fn plan(&mut self, mut recipe: Recipe, seconds: f64) -> Result<(), Failure> {
        let (batch, steps) = fitting(self.batches, self.clock.left(), 1.25 * seconds);
        set(&mut recipe, "batch_size", batch.size)?;
        set(&mut recipe, "learning_rate", batch.learning_rate)?;
        let steps = steps.max(FEWEST_STEPS);
        set(&mut recipe, "steps", steps)?;
        set(&mut recipe, "save_every", steps.div_ceil(PARTS))?;
        set(&mut recipe, "eval_every", steps.div_ceil(PARTS))?;
        set(&mut recipe, "precision", self.global.precision.as_deref().unwrap_or("f32"))?;
        set(&mut recipe, "seed", self.global.seed())?;
        self.fresh = Some(recipe);
        Ok(())
    }

    /// Trains until its steps are taken; false if it was stopped.
    pub fn train(
        &mut self,
        mut train: impl FnMut(&mut Recipe, &Session) -> Result<Outcome, TrainError>,
    ) -> Result<bool, Failure> {
        // Steps and seconds of the part before this one.
        let mut before: Option<(u64, f64)> = None;
        loop {
            let (fresh, verbosity) = (self.fresh.take(), self.global.verbosity());
            let mut session = Session::open(self.run, fresh.is_none(), verbosity)?;
            let step = session.step();
            let mut recipe = match fresh {
                Some(recipe) => recipe,
                None => Recipe::from_file(&self.run.join("recipe.toml"))?,
            };
            match before {
                Some((steps, seconds)) => {
                    self.plan_again(&mut recipe, step, seconds / steps as f64)?;
                }
                None if step > 0 => log::info!("resuming after step {step}"),
                None => {}
            }
            session.pause_after = next_look(step, recipe.clone().get("steps", 0)?);
            let started = Instant::now();
            match train(&mut recipe, &session)? {
                Outcome::Done => return Ok(true),
                Outcome::Interrupted(_) => return Ok(false),
                Outcome::Paused(now) => {
                    before = Some((now - step, started.elapsed().as_secs_f64()));
                }
            }
        }
    }

    /// Plans the steps after `step` by what one took, evaluations and checkpoints included.
    fn plan_again(&self, recipe: &mut Recipe, step: u64, seconds: f64) -> Result<(), Failure> {
        // A copy: what is read of a recipe is what it is written with.
        let mut now = recipe.clone();
        let (size, steps): (usize, u64) = (now.get("batch_size", 0)?, now.get("steps", 0)?);
        let a_row = seconds / size as f64;
        let larger: Vec<Batch> =
            self.batches.iter().copied().filter(|batch| batch.size >= size).collect();
        let (batch, left) = fitting(&larger, self.clock.left(), a_row);
        let fit = (step + left).max(FEWEST_STEPS);
        if fit.abs_diff(steps) <= steps / TOLERANCE {
            return Ok(());
        }
        set(recipe, "steps", fit)?;
        let mut changed = format!("{fit} steps instead of {steps}");
        if batch.size != size {
            set(recipe, "batch_size", batch.size)?;
            set(recipe, "learning_rate", batch.learning_rate)?;
            changed.push_str(&format!(", in batches of {} instead of {size}", batch.size));
        }
        self.global.say(&format!("a step took {seconds:.2} s: {changed}"));
        Ok(())
    }
}

/// The step after which the plan is looked at again: a third of what is left, unless that is short.
fn next_look(step: u64, steps: u64) -> Option<u64> {
    let part = steps.saturating_sub(step) / 3;
    (part > 0 && part >= steps / 12).then_some(step + part)
}

/// The largest of `batches` of which enough steps fit, at so many seconds `a_row`, or the last; and how many fit, at least one.
fn fitting(batches: &[Batch], seconds: f64, a_row: f64) -> (Batch, u64) {
    let steps = |batch: &Batch| ((seconds / (a_row * batch.size as f64)) as u64).max(1);
    let last = batches.last().expect("a stage has a batch");
    let batch = batches.iter().find(|batch| steps(batch) >= ENOUGH_STEPS).unwrap_or(last);
    (*batch, steps(batch))
}

/// Sets `key` of a recipe.
pub fn set(recipe: &mut Recipe, key: &str, value: impl std::fmt::Display) -> Result<(), Failure> {
    Ok(recipe.set(&format!("{key}={value}"))?)
}

/// Seconds of a forward and backward, on a model that is thrown away.
pub fn seconds_a_step<O: Objective>(
    device: &Device,
    objective: &O,
    batch: impl Fn(u64) -> data::Result<O::Batch>,
    format: Format,
) -> Result<f64, Failure> {
    let mut started = Instant::now();
    for step in 0..=TIMED {
        // The first step compiles shaders and is not counted.
        if step == 1 {
            started = Instant::now();
        }
        let mode = Mode::evaluation().storing(format);
        let terms = objective.terms(device, &batch(step)?, &mode)?;
        drop(terms.loss.backward());
        device.wait();
    }
    Ok(started.elapsed().as_secs_f64() / TIMED as f64)
}
