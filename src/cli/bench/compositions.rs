//! `wgrad bench compositions`: fused kernels against the same mathematics in plain ops.

use std::time::Duration;

use serde_json::json;
use wgrad_engine::Device;
use wgrad_engine::testing::bench::{Timing, time};

use super::pairs::{Pair, pairs};
use super::{Failure, Global};

/// Measures what fusing saves.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  wgrad bench compositions --device cpu
  wgrad bench compositions --filter contrastive --json

Each row is forward and backward, both sides in one run. Memory is what a step needs beside its inputs.")]
pub struct Args {
    /// Only rows whose name contains this.
    #[arg(long, value_name = "S")]
    filter: Option<String>,
    /// Seconds to spend on each side of a row.
    #[arg(long, value_name = "SECONDS", default_value_t = 2.0)]
    seconds: f64,
}

/// One side of a row.
struct Side {
    timing: Timing,
    bytes: u64,
}

pub fn run(global: &Global, args: &Args) -> Result<(), Failure> {
    let budget = Duration::try_from_secs_f64(args.seconds)
        .map_err(|error| format!("--seconds {}: {error}, expected e.g. 2", args.seconds))?;
    let mut pairs = pairs();
    if let Some(filter) = &args.filter {
        pairs.retain(|pair| pair.name.contains(filter));
        if pairs.is_empty() {
            return Err(format!("no row contains `{filter}`, expected e.g. attention").into());
        }
    }
    let device = global.open()?;
    let limit = device.limits().max_binding_bytes;
    let mut rows = Vec::new();
    if !global.json {
        println!(
            "{:<22}{:<26}{:>10}{:>10}{:>8}{:>10}{:>10}",
            "", "", "fused s", "plain s", "times", "fused MiB", "plain MiB"
        );
    }
    for pair in &pairs {
        // A device that cannot bind the matrix can run the fused side alone.
        let [fused, plain] = (pair.prepare)(&device);
        let fused = measure(&device, fused, budget);
        let plain = (pair.matrix_bytes <= limit).then(|| measure(&device, plain, budget));
        if !global.json {
            print(pair, &fused, plain.as_ref());
        }
        rows.push(row(pair, &fused, plain.as_ref()));
    }
    if global.json {
        println!("{}", json!({"device": device.name(), "rows": rows}));
    }
    Ok(())
}

fn measure(device: &Device, mut step: Box<dyn FnMut()>, budget: Duration) -> Side {
    device.wait();
    device.reset_peak();
    let before = device.memory().live;
    step();
    device.wait();
    let bytes = device.memory().peak - before;
    Side { timing: time(device, budget, step), bytes }
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
        "plain_is": pair.plain_is,
        "fused": side(fused),
        "plain": plain.map(side),
    })
}
