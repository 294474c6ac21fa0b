//! Learning rates over a run, as data.

use std::f64::consts::PI;

/// How the learning rate falls after the warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decay {
    /// To 0 in a straight line.
    Linear,
    /// To 0 along half a cosine.
    Cosine,
    /// Not at all.
    Constant,
}

/// A learning rate for every step: a straight line from 0 to `peak` over the warm-up, then `decay`.
///
/// # Source
/// Hugging Face transformers, `get_linear_schedule_with_warmup`, `get_cosine_schedule_with_warmup` (half a cycle) and
/// `get_constant_schedule_with_warmup` of `optimization.py`: equal to them at every step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    /// The largest learning rate.
    pub peak: f64,
    /// Steps of the warm-up.
    pub warmup_steps: u64,
    /// Steps of the whole run.
    pub total_steps: u64,
    /// What follows the warm-up.
    pub decay: Decay,
}

impl Schedule {
    /// The learning rate of `step`, counted from 0. The first step of a warm-up has 0.
    pub fn at(&self, step: u64) -> f32 {
        let (step, warmup) = (step as f64, self.warmup_steps as f64);
        let total = self.total_steps as f64;
        let share = if step < warmup {
            step / warmup.max(1.0)
        } else {
            let span = (total - warmup).max(1.0);
            match self.decay {
                Decay::Linear => ((total - step) / span).max(0.0),
                Decay::Cosine => (0.5 * (1.0 + (PI * (step - warmup) / span).cos())).max(0.0),
                Decay::Constant => 1.0,
            }
        };
        (self.peak * share) as f32
    }
}
