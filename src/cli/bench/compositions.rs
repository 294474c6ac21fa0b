//! `wgrad bench compositions`: fused kernels against the same mathematics in plain ops.

use std::time::{Duration, Instant};

use serde_json::json;
use wgrad_engine::Device;
use wgrad_engine::testing::bench::{Timing, time};

use super::super::profile;
use super::pairs::{Pair, large_pairs, pairs};
use super::{Failure, Global, budget};

/// Measures what fusing saves.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  wgrad bench compositions --device cpu
  wgrad bench compositions --filter contrastive --json
  wgrad bench compositions --large --device cpu

Each row is forward and backward, both sides in one run. Memory is what a step needs beside its inputs.")]
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

pub fn run(global: &Global, args: &Args) -> Result<(), Failure> {
    let budget = budget(args.seconds)?;
    let device = global.open()?;
    let mut pairs = if args.large { large_pairs(&device) } else { pairs(&device) };
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
        let fused = measure(&device, (pair.fused)(&device), budget);
        let fits = pair.matrix_bytes <= limit;
        let plain = fits.then(|| measure(&device, (pair.plain)(&device), budget));
        if !global.json {
            print(pair, &fused, plain.as_ref());
        }
        rows.push(row(pair, &fused, plain.as_ref()));
    }
    if global.json {
        println!("{}", json!({"device": device.name(), "rows": rows}));
    }
    profile::finish(global, &device)
}

/// The memory of a first step, which also compiles, and the time of others: of one where that takes longer than ten budgets.
fn measure(device: &Device, mut step: Box<dyn FnMut()>, budget: Duration) -> Side {
    device.wait();
    device.reset_peak();
    let before = device.memory().live;
    step();
    device.wait();
    let bytes = device.memory().peak - before;
    let start = Instant::now();
    step();
    device.wait();
    let once = start.elapsed();
    let timing = if once > 10 * budget {
        let seconds = once.as_secs_f64();
        Timing { median: seconds, minimum: seconds, samples: 1, steps: 1 }
    } else {
        time(device, budget, step)
    };
    Side { timing, bytes }
}

fn print(pair: &Pair, fused: &Side, plain: Option<&Side>) {
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    print!("{:<22}{:<26}{:>10.4}", pair.name, pair.shape, fused.timing.median);
    match plain {
        Some(plain) => println!(
            "{:>10.4}{:>8.2}{:>10.1}{:>10.1}",
            plain.timing.median,
            plain.timing.median / fused.timing.median,
            mib(fused.bytes),
            mib(plain.bytes)
        ),
        None => println!("{:>10}{:>8}{:>10.1}{:>10}", "too large", "", mib(fused.bytes), ""),
    }
}

fn row(pair: &Pair, fused: &Side, plain: Option<&Side>) -> serde_json::Value {
    let side = |side: &Side| {
        json!({
            "median_seconds": side.timing.median,
            "minimum_seconds": side.timing.minimum,
            "samples": side.timing.samples,
            "bytes": side.bytes,
        })
    };
    json!({
        "name": pair.name,
        "shape": pair.shape,
        "median_seconds": fused.timing.median,
        "workspace_bytes": fused.bytes,
        "plain_is": pair.plain_is,
        "fused": side(fused),
        "plain": plain.map(side),
    })
}
