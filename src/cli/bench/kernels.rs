//! `wgrad bench kernels`: one row a case of `benches/ops`.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use wgrad_engine::Device;
use wgrad_engine::device::Profile;
use wgrad_engine::testing::bench::{Case, MOST_ERROR, Roofline, Timing, time};

use super::super::output::expect_writable;
use super::super::profile::show;
use super::{Failure, Global, budget, cases, page};
use crate::data::atomic;

/// Measures kernels.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  wgrad bench kernels --filter layer_norm
  wgrad bench kernels --filter bert_base --device cpu --json
  wgrad bench kernels --html kernels.html

Each case is checked against its twin in f64 before it is timed. A share is that of the roofline: what the
work takes at least, at the rates of multiply-adds in registers and of the fastest copy, both measured at the
start, over the median; above 100 % where a case's data stay in a cache that the copy's do not fit, or where
its products run on units of their own.")]
pub struct Args {
    /// Only cases whose name or shape contains this.
    #[arg(long, value_name = "S")]
    filter: Option<String>,
    /// Seconds to spend on each case.
    #[arg(long, value_name = "SECONDS", default_value_t = 1.5)]
    seconds: f64,
    /// Write a page with a roofline and the table.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

pub fn run(global: &Global, args: &Args) -> Result<(), Failure> {
    let budget = budget(args.seconds)?;
    let mut cases = cases::cases();
    if let Some(filter) = &args.filter {
        cases.retain(|case| name(case).contains(filter) || case.shape.contains(filter));
        if cases.is_empty() {
            return Err(
                format!("no case contains `{filter}`, expected e.g. --filter matmul").into()
            );
        }
    }
    if let Some(path) = &args.html {
        expect_writable("--html", path)?;
    }
    let device = global.open()?;
    let is_profiled = global.profile.is_some();
    let roofline = Roofline::measure(&device);
    let mut profile = device.take_profile();
    if !global.json {
        print_header(&device, &roofline);
    }
    let mut rows: Vec<Row> = Vec::new();
    for case in &cases {
        let (row, of_case) = measure(&device, &roofline, case, budget, is_profiled);
        if !global.json {
            row.print(rows.last().is_none_or(|above| above.name != row.name));
        }
        rows.push(row);
        profile.append(of_case);
    }
    if global.json {
        println!("{}", to_json(&device, &roofline, &rows));
    }
    if let Some(path) = &args.html {
        let html = page::html(&device, &roofline, &rows)?;
        atomic::write_file(path, html.as_bytes())?;
        global.say(&format!("page in {}", path.display()));
    }
    show(global, &profile)?;
    let wrong = rows.iter().find(|row| row.error > MOST_ERROR || row.error.is_nan());
    wrong.map_or(Ok(()), |Row { name, shape, error, .. }| {
        let what = format!("{name} {shape} differs from its f64 twin by {error:.1e}");
        Err(format!("{what}, expected at most {MOST_ERROR:.0e} of the largest element").into())
    })
}

fn name(case: &Case) -> String {
    format!("{}.{}", case.stem, case.name)
}

/// What was measured of one case.
pub(super) struct Row {
    pub(super) name: String,
    pub(super) shape: String,
    pub(super) timing: Timing,
    /// Of all kernels of one step by timestamps, where the device is profiled and has them.
    pub(super) in_kernels: Option<Timing>,
    pub(super) gflops: f64,
    pub(super) gbytes_per_second: f64,
    pub(super) roofline_share: f64,
    pub(super) workspace_bytes: u64,
    pub(super) error: f64,
}

/// The profile is that of all steps.
fn measure(
    device: &Device,
    roofline: &Roofline,
    case: &Case,
    budget: Duration,
    is_profiled: bool,
) -> (Row, Profile) {
    let mut run = (case.prepare)(device);
    device.wait();
    let timing = time(device, budget, &mut run.step);
    let mut profile = device.take_profile();
    let in_kernels = is_profiled.then(|| time_kernels(device, budget, &mut run.step, &mut profile));
    let row = Row {
        name: name(case),
        shape: case.shape.clone(),
        timing,
        in_kernels: in_kernels.flatten(),
        gflops: case.flops as f64 / timing.median / 1e9,
        gbytes_per_second: 4.0 * case.words as f64 / timing.median / 1e9,
        roofline_share: roofline.least_seconds(case.flops, case.words) / timing.median,
        workspace_bytes: run.workspace_bytes,
        error: run.error,
    };
    (row, profile)
}

/// Steps that are timed by timestamps, at most.
const KERNEL_SAMPLES: usize = 10;

/// Seconds in the kernels of single steps, which are added to the profile; none if the adapter has no timestamps.
fn time_kernels(
    device: &Device,
    budget: Duration,
    step: &mut dyn FnMut(),
    profile: &mut Profile,
) -> Option<Timing> {
    let started = Instant::now();
    let mut seconds = Vec::new();
    while seconds.is_empty() || (seconds.len() < KERNEL_SAMPLES && started.elapsed() < budget) {
        step();
        device.wait();
        let of_step = device.take_profile();
        seconds.push(of_step.seconds());
        profile.append(of_step);
    }
    seconds.sort_by(f64::total_cmp);
    let samples = seconds.len();
    let (median, minimum) = (seconds[samples / 2], seconds[0]);
    (minimum > 0.0).then_some(Timing { median, minimum, samples, steps: samples as u64 })
}

fn print_header(device: &Device, roofline: &Roofline) {
    let Roofline { flops, product_flops, bytes } = roofline;
    println!("{}", device.name());
    println!(
        "multiply-adds to {:.1} GFLOP/s, products to {:.1}, copies to {:.1} GB/s",
        flops / 1e9,
        product_flops / 1e9,
        bytes / 1e9
    );
    println!(
        "{:<50} {:>9} {:>8} {:>7} {:>6} {:>6} {:>8}",
        "", "ms", "GFLOP/s", "GB/s", "roof %", "error", "work KiB"
    );
}

impl Row {
    fn print(&self, is_first_of_name: bool) {
        if is_first_of_name {
            println!("{}", self.name);
        }
        println!(
            "  {:<48} {:>9.3} {:>8.1} {:>7.1} {:>6.1} {:>6.0e} {:>8}",
            self.shape,
            1e3 * self.timing.median,
            self.gflops,
            self.gbytes_per_second,
            100.0 * self.roofline_share,
            self.error,
            self.workspace_bytes.div_ceil(1024)
        );
        if let Some(Timing { median, minimum, .. }) = self.in_kernels {
            let [median, minimum] = [median, minimum].map(|seconds| 1e3 * seconds);
            println!("  {:<48} {median:>9.3} (fastest {minimum:.3})", "  in kernels");
        }
    }

    fn to_json(&self) -> Value {
        json!({
            "name": self.name,
            "shape": self.shape,
            "median_seconds": self.timing.median,
            "minimum_seconds": self.timing.minimum,
            "samples": self.timing.samples,
            "kernel_median_seconds": self.in_kernels.map(|timing| timing.median),
            "kernel_minimum_seconds": self.in_kernels.map(|timing| timing.minimum),
            "gflops": self.gflops,
            "gbytes_per_second": self.gbytes_per_second,
            "roofline_share": self.roofline_share,
            "workspace_bytes": self.workspace_bytes,
            "max_relative_error": self.error,
        })
    }
}

fn to_json(device: &Device, roofline: &Roofline, rows: &[Row]) -> Value {
    json!({
        "device": device.name(),
        "roofline": {
            "gflops": roofline.flops / 1e9,
            "product_gflops": roofline.product_flops / 1e9,
            "gbytes_per_second": roofline.bytes / 1e9,
        },
        "rows": rows.iter().map(Row::to_json).collect::<Vec<_>>(),
    })
}
