//! The one loop of every objective: batches in, steps, checkpoints out.
//!
//! What a step does is a function of (seed, step, weights, moments) alone, and of what the step before carries over, where an
//! objective has such (XLNet's memory): batches, masks and dropout are drawn by counters. So a run that is killed and resumed from a checkpoint goes on bit for bit.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Instant, SystemTime};

use wgrad_engine::device::{Format, Readback};
use wgrad_engine::optimizer::{AdamW, AdamWSettings};
use wgrad_engine::random::{key_of, philox};
use wgrad_engine::schedule::Schedule;
use wgrad_engine::{Device, Gradients, Tensor};
use wgrad_models::Mode;

use super::hooks::Batches;
use super::metrics::{Metrics, Record};
use super::objective::{BatchError, Objective, Terms};
use super::progress::{Progress, Verbosity};
use super::run_folder::{Checkpoint, RunFolder};
use super::verdict::verdicts;
use super::{Error as RunError, chart, metrics, state};
use crate::data::{self, atomic, atomic::naming};

/// What a run is to do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Seed of weights, order, masks and dropout.
    pub seed: u64,
    /// Optimizer steps.
    pub steps: u64,
    /// Batches whose gradients are averaged in one step.
    pub accumulate: u64,
    /// Learning rate by step.
    pub schedule: Schedule,
    /// How activations lie, and the copies of weights that they meet.
    pub format: Format,
    /// β₁, β₂, ε, weight decay, the norm to clip to, and how the loss is scaled.
    pub optimizer: AdamWSettings,
    /// Steps between checkpoints; 0 for only the last.
    pub save_every: u64,
    /// Steps between evaluations; 0 for none.
    pub eval_every: u64,
    /// The step to write a checkpoint after and pause, for the caller to change the plan.
    pub pause_after: Option<u64>,
    /// What the charts are headed with.
    pub title: String,
}

/// Named results of a model.
pub type Evaluate<'a, O> = dyn FnMut(&O) -> Result<Vec<(String, f64)>, TrainError> + 'a;

/// Writes a model into a directory.
pub type SaveModel<'a, O> = dyn Fn(&O, &Path) -> std::io::Result<()> + 'a;

/// What the loop asks of the command that started it.
pub struct Hooks<'a, O: Objective> {
    /// The batches of a range of micro-steps.
    pub batches: Batches<O::Batch>,
    /// Named results of the model as it is now, e.g. the held-out loss.
    pub evaluate: Box<Evaluate<'a, O>>,
    /// Writes a loadable model into a directory.
    pub save_model: Box<SaveModel<'a, O>>,
}

impl<'a, O: Objective> Hooks<'a, O> {
    /// Of these three.
    pub fn new(
        batches: Batches<O::Batch>,
        evaluate: impl FnMut(&O) -> Result<Vec<(String, f64)>, TrainError> + 'a,
        save_model: impl Fn(&O, &Path) -> std::io::Result<()> + 'a,
    ) -> Self {
        Self { batches, evaluate: Box::new(evaluate), save_model: Box::new(save_model) }
    }
}

/// Where a run lives, and what it begins with.
pub struct Place<'a> {
    /// The run's folder.
    pub run: &'a RunFolder,
    /// What to go on from.
    pub checkpoint: Option<&'a Checkpoint>,
    /// The text of `recipe.toml`.
    pub recipe: &'a str,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All steps were taken.
    Done,
    /// Ctrl-C: a checkpoint of this step was written.
    Interrupted(u64),
    /// [`Plan::pause_after`]: a checkpoint of this step was written.
    Paused(u64),
}

/// What can end a run early.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The run folder.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A batch.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// The data.
    #[error(transparent)]
    Data(#[from] data::Error),
    /// A model directory.
    #[error(transparent)]
    Model(#[from] crate::checkpoint::Error),
    /// An evaluation.
    #[error(transparent)]
    Encode(#[from] crate::retrieval::encode::Error),
    /// A file that could not be written.
    #[error("cannot write a checkpoint: {0}; the last one is intact")]
    Io(#[from] std::io::Error),
    /// The device cannot store what was asked for.
    #[error("precision = mixed: expected an adapter with f16, {device} has none; use f32")]
    NoHalves {
        /// Its name.
        device: String,
    },
    /// The loss left the numbers.
    #[error(
        "the loss was not finite for {LOST_STEPS} steps, last at step {step}: expected it to fall; lower \
         --learning-rate, raise --warmup, or find the cause with --check-numerics"
    )]
    Diverged {
        /// The last such step.
        step: u64,
    },
}

/// Set by Ctrl-C; the loop writes a checkpoint and ends.
pub static STOP: AtomicBool = AtomicBool::new(false);
/// Whether a loop runs that heeds [`STOP`].
pub static TRAINING: AtomicBool = AtomicBool::new(false);

/// Steps without a finite loss after which a run gives up.
const LOST_STEPS: u32 = 10;
/// Steps that losses are read behind, so that the loop does not wait for the device.
const LAG: usize = 3;

/// Losses and gradient norm of a step on their way to the host.
struct Pending {
    step: u64,
    tokens: u64,
    learning_rate: f32,
    /// One per micro-step and term.
    terms: Vec<(&'static str, Readback)>,
    state: Readback,
}

/// Trains `objective` in the folder of `place`, from its checkpoint on if there is one.
///
/// # Errors
/// [`TrainError`]; what was written before stays intact. A run that cannot go on from its checkpoint is left as it was.
pub fn train<O: Objective>(
    objective: &mut O,
    hooks: Hooks<'_, O>,
    plan: &Plan,
    place: Place<'_>,
    verbosity: Verbosity,
) -> Result<Outcome, TrainError> {
    TRAINING.store(true, Ordering::Relaxed);
    let outcome = take_steps(objective, hooks, plan, place, verbosity);
    TRAINING.store(false, Ordering::Relaxed);
    outcome
}

fn take_steps<O: Objective>(
    objective: &mut O,
    mut hooks: Hooks<'_, O>,
    plan: &Plan,
    Place { run, checkpoint, recipe }: Place<'_>,
    verbosity: Verbosity,
) -> Result<Outcome, TrainError> {
    let device = objective.weights().device().clone();
    if !device.supports(plan.format) {
        return Err(TrainError::NoHalves { device: device.name().to_string() });
    }
    let layout = objective.weights().layout().clone();
    let mut optimizer = AdamW::new(&device, layout, plan.optimizer);
    let start = checkpoint.map_or(0, |checkpoint| checkpoint.step);
    if let Some(checkpoint) = checkpoint {
        state::restore(&checkpoint.path, plan.seed, objective.weights_mut(), &mut optimizer)?;
        state::restore_carried(&checkpoint.path, objective)?;
        run.rewind(start)?;
    }
    run.write_recipe(recipe)?;
    let mut log = Log::open(run, plan, start, verbosity)?;
    if start >= plan.steps {
        // The kill came after the last checkpoint, perhaps before the model was written.
        run.save_model(|dir| (hooks.save_model)(objective, dir).map_err(naming(&run.model())))?;
        log.draw(run, plan)?;
        return Ok(Outcome::Done);
    }
    let mut loader = (hooks.batches)(start * plan.accumulate..plan.steps * plan.accumulate);
    let mut key = Tensor::u32(&device, [2], &[0, 0]);
    let mut pending = VecDeque::new();

    for step in start..plan.steps {
        device.write_u32(key.buffer_mut(), &step_key(plan.seed, step));
        pending.push_back(take_step(
            objective,
            &mut optimizer,
            (&mut loader, &Mode::training(&key).storing(plan.format)),
            plan,
            step,
        )?);
        while pending.len() > LAG {
            log.losses(pending.pop_front().expect("it is longer than the lag"))?;
        }
        let done = step + 1;
        let last = done == plan.steps;
        let interrupted = STOP.load(Ordering::Relaxed);
        let stop = interrupted || plan.pause_after == Some(done);
        let due = |every: u64| every > 0 && done.is_multiple_of(every);
        if last || stop || due(plan.save_every) || due(plan.eval_every) {
            while let Some(step) = pending.pop_front() {
                log.losses(step)?;
            }
        }
        // Before a stop too: the resumed run begins after it.
        if due(plan.eval_every) || (last && plan.eval_every > 0) {
            let results = (hooks.evaluate)(objective)?;
            log.evaluation(done, &results)?;
        }
        if last || stop || due(plan.save_every) {
            log.metrics.sync()?;
            run.save_checkpoint(done, |dir| {
                let state = state::write(dir, done, plan.seed, objective.weights(), &optimizer);
                let state = state.and_then(|()| state::write_carried(dir, &objective.carried()));
                state.map_err(naming(&run.checkpoint(done)))
            })?;
            run.save_model(|dir| (hooks.save_model)(objective, dir).map_err(naming(&run.model())))?;
            log.draw(run, plan)?;
        }
        if stop && !last {
            log.progress.finish(done);
            let outcome = if interrupted { Outcome::Interrupted } else { Outcome::Paused };
            return Ok(outcome(done));
        }
    }
    for line in verdicts(&metrics::read(&run.metrics())?) {
        log.progress.note(&line);
    }
    log.progress.finish(plan.steps);
    Ok(Outcome::Done)
}

/// Forward and backward over every micro-batch, then one update.
fn take_step<O: Objective>(
    objective: &mut O,
    optimizer: &mut AdamW,
    (loader, mode): (&mut data::Loader<O::Batch>, &Mode),
    plan: &Plan,
    step: u64,
) -> Result<Pending, TrainError> {
    let device = objective.weights().device().clone();
    let (mut tokens, mut read) = (0, Vec::new());
    let factor = 1.0 / plan.accumulate as f32;
    for _ in 0..plan.accumulate {
        let batch = loader.next().expect("the loader has a batch for every micro-step")?;
        tokens += O::tokens(&batch);
        let scale = optimizer.loss_scale();
        let mut gather = |gradients: Gradients| {
            let gradients = objective.weights().gradients(gradients);
            for (parameter, gradient) in gradients.iter().enumerate() {
                if let Some(gradient) = gradient {
                    optimizer.accumulate(parameter, gradient.buffer(), factor);
                }
            }
        };
        let losses = objective.backward(&device, &batch, (mode, &scale), &mut gather)?;
        read.extend(losses.iter().map(|(name, loss)| (*name, loss.read_later())));
    }
    let learning_rate = plan.schedule.at(step);
    optimizer.step(objective.weights_mut().arenas_mut(), learning_rate);
    objective.constrain();
    Ok(Pending { step, tokens, learning_rate, terms: read, state: optimizer.norm() })
}

/// The dropout key of a step.
fn step_key(seed: u64, step: u64) -> [u32; 2] {
    let words = philox([step as u32, (step >> 32) as u32, 0, 0], key_of(seed, "dropout"));
    [words[0], words[1]]
}

/// Everything a person sees of a run.
struct Log {
    metrics: Metrics,
    progress: Progress,
    started: Instant,
    /// Seconds of the sessions before this one, up to its checkpoint.
    before: f64,
    tokens: u64,
    lost: u32,
}

impl Log {
    /// Goes on counting tokens and seconds where the lines up to step `start` end.
    fn open(
        run: &RunFolder,
        plan: &Plan,
        start: u64,
        verbosity: Verbosity,
    ) -> Result<Self, RunError> {
        let now = SystemTime::now();
        let known = run.metrics().exists();
        let before = if known { metrics::read(&run.metrics())? } else { Vec::new() };
        let last = |name| before.iter().rev().find_map(|record| record.get(name)).unwrap_or(0.0);
        Ok(Self {
            metrics: Metrics::open(&run.metrics(), &run.tensorboard(), start, now)?,
            progress: Progress::new(start, plan.steps, verbosity),
            started: Instant::now(),
            before: last("seconds"),
            tokens: last("tokens") as u64,
            lost: 0,
        })
    }

    /// Waits for the losses of one step and writes them down.
    fn losses(&mut self, pending: Pending) -> Result<(), TrainError> {
        let done = pending.step + 1;
        let mut means: Vec<(&'static str, f64, u32)> = Vec::new();
        for (name, value) in pending.terms {
            let value = f64::from(value.f32()[0]);
            match means.iter_mut().find(|(known, ..)| *known == name) {
                Some((_, sum, count)) => (*sum, *count) = (*sum + value, *count + 1),
                None => means.push((name, value, 1)),
            }
        }
        let means: Vec<(&str, f64)> =
            means.into_iter().map(|(name, sum, count)| (name, sum / f64::from(count))).collect();
        self.tokens += pending.tokens;
        let mut record = Record::new(done)
            .with("tokens", self.tokens as f64)
            .with("seconds", self.before + self.started.elapsed().as_secs_f64())
            .with("learning_rate", pending.learning_rate)
            .with("gradient_norm", pending.state.f32()[0]);
        for (name, mean) in &means {
            record = record.with(name, *mean);
        }
        self.metrics.append(&record, SystemTime::now())?;
        self.progress.update(done, pending.tokens, &means);
        self.lost = if means[0].1.is_finite() { 0 } else { self.lost + 1 };
        if self.lost >= LOST_STEPS {
            return Err(TrainError::Diverged { step: done });
        }
        Ok(())
    }

    fn evaluation(&mut self, done: u64, results: &[(String, f64)]) -> Result<(), RunError> {
        if results.is_empty() {
            return Ok(());
        }
        let record = results
            .iter()
            .fold(Record::new(done), |record, (name, value)| record.with(name, *value));
        self.metrics.append(&record, SystemTime::now())?;
        let line: Vec<String> =
            results.iter().map(|(name, value)| format!("{name} {value:.4}")).collect();
        self.progress.note(&format!("step {done}: {}", line.join(", ")));
        Ok(())
    }

    fn draw(&self, run: &RunFolder, plan: &Plan) -> Result<(), TrainError> {
        let records = metrics::read(&run.metrics())?;
        let svg = chart::loss_chart(&plan.title, &records)?;
        Ok(atomic::write_file(&run.loss_chart(), svg.as_bytes())?)
    }
}

/// The loss and each of its terms over batches that training never sees, as `heldout_loss`, `heldout_loss_encoder`, …;
/// without dropout and without a graph.
pub fn heldout<O: Objective>(
    objective: &O,
    device: &Device,
    batches: &[O::Batch],
) -> Result<Vec<(String, f64)>, BatchError> {
    let mut means: Vec<(String, f64)> = Vec::new();
    for batch in batches {
        let Terms { loss, terms, .. } =
            wgrad_engine::no_grad(|| objective.terms(device, batch, &Mode::evaluation()))?;
        for (at, (name, term)) in [("loss", loss)].into_iter().chain(terms).enumerate() {
            let share = f64::from(term.to_f32()[0]) / batches.len() as f64;
            match means.get_mut(at) {
                Some((_, mean)) => *mean += share,
                None => means.push((format!("heldout_{name}"), share)),
            }
        }
    }
    Ok(means)
}
