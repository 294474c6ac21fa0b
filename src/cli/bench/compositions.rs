//! `wgrad bench compositions`: fused kernels against the same mathematics in plain ops.

use std::time::{Duration, Instant};

use serde_json::json;
use wgrad_engine::Device;
use wgrad_engine::device::Format;
use wgrad_engine::testing::bench::{Timing, time, time_in_turns};

use super::super::profile;
use super::pairs::{Pair, half_pairs, large_pairs, pairs};
use super::{Failure, Global, budget};

/// Measures what fusing saves.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  wgrad bench compositions --device cpu
  wgrad bench compositions --filter contrastive --json
  wgrad bench compositions --large --device cpu
  wgrad bench compositions --precision mixed

Each row is forward and backward, the two sides in turns; `times` is plain over fused, the median of the turns.
Memory is what a step needs beside its inputs. With --precision mixed, attention and its relative form: losses take f32.")]
pub struct Args {
    /// Only rows whose name or shape contains this.
    #[arg(long, value_name = "S")]
    filter: Option<String>,
    /// Sizes that take minutes a step instead: contrastive over 65,536 pairs (16,384 on a software adapter).
    #[arg(long)]
    large: bool,
    /// Seconds to spend on each side of a row.
    #[arg(long, value_name = "SECONDS", default_value_t = 2.0)]
    seconds: f64,
}

/// Bytes of a matrix of which the plain ops would hold several, and too many.
const LARGE: u64 = 512 << 20;

/// One side of a row.
struct Side {
    timing: Timing,
    bytes: u64,
}

/// The plain side, where it fits, comes with plain over fused, the median of the turns.
struct Row {
    fused: Side,
    plain: Option<(Side, f64)>,
}

pub fn run(global: &Global, args: &Args) -> Result<(), Failure> {
    let budget = budget(args.seconds)?;
    let device = global.open()?;
    let mut pairs = match (global.format(), args.large) {
        (Format::Word, false) => pairs(&device),
        (Format::Word, true) => large_pairs(&device),
        (Format::Half, false) => half_pairs(),
        (Format::Half, true) => {
            return Err("--large measures losses, expected no --precision mixed".into());
        }
    };
    if let Some(filter) = &args.filter {
        pairs.retain(|pair| pair.name.contains(filter) || pair.shape.contains(filter));
        if pairs.is_empty() {
            return Err(format!("no row contains `{filter}`, expected e.g. attention").into());
        }
    }
    // A device that cannot bind the matrix, or hold it several times, runs the fused side alone.
    let limit = device.limits().max_binding_bytes.min(LARGE);
    let mut rows = Vec::new();
    if !global.json {
        println!(
            "{:<22}{:<26}{:>10}{:>10}{:>8}{:>10}{:>10}",
            "", "", "fused s", "plain s", "times", "fused MiB", "plain MiB"
        );
    }
    for pair in &pairs {
        let row = measure(&device, pair, pair.matrix_bytes <= limit, budget);
        if !global.json {
            row.print(pair);
        }
        rows.push(row.json(pair));
    }
    if global.json {
        println!("{}", json!({"device": device.name(), "rows": rows}));
    }
    profile::finish(global, &device)
}

/// The memory of first steps, which also compile, and the time of others.
fn measure(device: &Device, pair: &Pair, has_plain: bool, budget: Duration) -> Row {
    let mut fused = (pair.fused)(device);
    let (bytes, once) = first_steps(device, &mut fused);
    if !has_plain {
        let timing = if once.minimum > long(budget) { once } else { time(device, budget, fused) };
        return Row { fused: Side { timing, bytes }, plain: None };
    }
    let mut plain = (pair.plain)(device);
    let (plain_bytes, plain_once) = first_steps(device, &mut plain);
    let ([timing, plain_timing], ratio) = if once.minimum.max(plain_once.minimum) > long(budget) {
        ([once, plain_once], plain_once.median / once.median)
    } else {
        time_in_turns(device, budget, [&mut fused, &mut plain])
    };
    let plain = Side { timing: plain_timing, bytes: plain_bytes };
    Row { fused: Side { timing, bytes }, plain: Some((plain, ratio)) }
}

/// Seconds of a step that is timed once.
fn long(budget: Duration) -> f64 {
    10.0 * budget.as_secs_f64()
}

/// The most that a step holds beside what was there before, and the time of another one.
fn first_steps(device: &Device, step: &mut dyn FnMut()) -> (u64, Timing) {
    device.wait();
    device.reset_peak();
    let before = device.memory().live;
    step();
    device.wait();
    let bytes = device.memory().peak - before;
    let start = Instant::now();
    step();
    device.wait();
    let seconds = start.elapsed().as_secs_f64();
    (bytes, Timing { median: seconds, minimum: seconds, samples: 1, steps: 1 })
}

impl Row {
    fn print(&self, pair: &Pair) {
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        let Self { fused, plain } = self;
        print!("{:<22}{:<26}{:>10.4}", pair.name, pair.shape, fused.timing.median);
        match plain {
            Some((plain, ratio)) => println!(
                "{:>10.4}{ratio:>8.2}{:>10.1}{:>10.1}",
                plain.timing.median,
                mib(fused.bytes),
                mib(plain.bytes)
            ),
            None => println!("{:>10}{:>8}{:>10.1}{:>10}", "too large", "", mib(fused.bytes), ""),
        }
    }

    fn json(&self, pair: &Pair) -> serde_json::Value {
        let side = |side: &Side| {
            json!({
                "median_seconds": side.timing.median,
                "minimum_seconds": side.timing.minimum,
                "samples": side.timing.samples,
                "bytes": side.bytes,
            })
        };
        let Self { fused, plain } = self;
        json!({
            "name": pair.name,
            "shape": pair.shape,
            "median_seconds": fused.timing.median,
            "workspace_bytes": fused.bytes,
            "plain_is": pair.plain_is,
            "fused": side(fused),
            "plain": plain.as_ref().map(|(plain, _)| side(plain)),
            "times": plain.as_ref().map(|(_, ratio)| ratio),
        })
    }
}
