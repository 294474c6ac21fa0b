//! `cargo bench`: every case of `benches/ops` under criterion, on the CPU and on the device that `WGRAD_DEVICE` names.
//!
//! `wgrad bench kernels` runs the same cases and prints a table; this keeps a history and compares with the last run.

mod ops;

use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use wgrad_engine::Device;
use wgrad_engine::device::{Options, Selector};
use wgrad_engine::testing::bench::{Case, MOST_ERROR, Roofline};

/// FLOPs a byte from which a case is measured in FLOP/s: where the roofs of common devices meet.
const RIDGE: u64 = 10;

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    let mut devices = vec![Device::cpu()];
    if let Ok(name) = std::env::var("WGRAD_DEVICE") {
        let selector: Selector = name.parse().unwrap_or_else(|never| match never {});
        let device = Device::open(&selector, Options::default());
        let device = device.unwrap_or_else(|error| panic!("WGRAD_DEVICE={name}: {error}"));
        if !device.is_cpu() {
            devices.push(device);
        }
    }
    for device in devices {
        let mut roofline = None;
        for case in ops::cases() {
            measure(&mut criterion, &device, &mut roofline, &case);
        }
    }
    criterion.final_summary();
}

/// Checks, times and prints the share of the roofline, which is measured for the first case that is not filtered out.
fn measure(
    criterion: &mut Criterion,
    device: &Device,
    roofline: &mut Option<Roofline>,
    case: &Case,
) {
    let bytes = 4 * case.words;
    let by_flops = case.flops > RIDGE * bytes;
    let mut group = criterion.benchmark_group(format!("{}/{}", device.name(), case.stem));
    group.throughput(if by_flops {
        Throughput::Elements(case.flops)
    } else {
        Throughput::Bytes(bytes)
    });
    let (mut run, mut fastest) = (None, f64::INFINITY);
    group.bench_function(format!("{} {}", case.name, case.shape), |bencher| {
        let run = run.get_or_insert_with(|| {
            roofline.get_or_insert_with(|| Roofline::measure(device));
            let run = (case.prepare)(device);
            assert!(run.error <= MOST_ERROR, "{}: off by {:.1e}", case.name, run.error);
            run
        });
        bencher.iter_custom(|steps| {
            let start = Instant::now();
            (0..steps).for_each(|_| (run.step)());
            device.wait();
            let taken = start.elapsed();
            fastest = fastest.min(taken.as_secs_f64() / steps as f64);
            taken
        });
    });
    group.finish();
    if let Some(roofline) = roofline.as_ref().filter(|_| fastest.is_finite()) {
        let share = roofline.least_seconds(case.flops, case.words) / fastest;
        println!("{:24}{:.1} % of the roofline at its fastest", "", 100.0 * share);
    }
}
