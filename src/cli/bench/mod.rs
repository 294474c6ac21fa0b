//! `wgrad bench`: how near this device comes to what it can do.

#[path = "../../../benches/ops/mod.rs"]
mod cases;
mod compositions;
mod kernels;
mod page;
mod pairs;
mod step;

use std::time::Duration;

use super::{Failure, Global};

/// Measures.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Every kernel at the shapes it is used with: time, rate, share of the roofline, error.
    Kernels(kernels::Args),
    /// Fused kernels against the same mathematics in plain ops: time and memory.
    Compositions(compositions::Args),
    /// One training step of an objective: forward, backward and AdamW.
    Step(step::Args),
}

/// What `--seconds` gives to a case.
fn budget(seconds: f64) -> Result<Duration, Failure> {
    if !(0.0..=3600.0).contains(&seconds) {
        return Err(format!("--seconds is {seconds}, expected 0 to 3600, e.g. 1.5").into());
    }
    Ok(Duration::from_secs_f64(seconds))
}

pub fn run(global: &Global, command: &Command) -> Result<(), Failure> {
    match command {
        Command::Kernels(args) => kernels::run(global, args),
        Command::Compositions(args) => compositions::run(global, args),
        Command::Step(args) => step::run(global, args),
    }
}
