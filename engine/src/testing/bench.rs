//! A measurable case of an op, named by its use, and the clock it is measured by; the benches and
//! `wgrad bench kernels` run the same ones.

use std::time::{Duration, Instant};

use super::normal;
use crate::device::Device;
use crate::ops::{self, Transpose};
use crate::reference::multiply_add::{CHAINS, STEPS};
use crate::tensor::Tensor;

/// What is measured, and what it costs by formula.
pub struct Case {
    /// The op's stem.
    pub stem: &'static str,
    /// The shape's use, e.g. `bert_base_ffn`.
    pub name: &'static str,
    /// Its extents, for people.
    pub shape: String,
    /// Floating-point operations of one step.
    pub flops: u64,
    /// 4-byte words that one step must move at least.
    pub words: u64,
    /// Uploads the inputs, checks one result against the f64 twin, and returns what to repeat.
    pub prepare: Box<dyn Fn(&Device) -> Run>,
}

/// A prepared case.
pub struct Run {
    /// Runs once, without waiting for the device.
    pub step: Box<dyn FnMut()>,
    /// Largest relative error against the f64 twin.
    pub error: f64,
    /// Bytes of device memory that one step needs beside its inputs and results.
    pub workspace_bytes: u64,
}

/// Largest relative error with which a case is worth timing: five times what the tests of the losses allow.
pub const MOST_ERROR: f64 = 1e-4;

/// Seconds of one step over several samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Timing {
    /// The middle sample.
    pub median: f64,
    /// The fastest sample.
    pub minimum: f64,
    /// How many samples there are.
    pub samples: usize,
    /// Steps taken, those before the first sample included.
    pub steps: u64,
}

/// Samples of one case at least, if one step is not much longer than the budget.
const LEAST_SAMPLES: usize = 10;
/// Samples of a step that is.
const FEWEST_SAMPLES: usize = 3;
/// Budgets after which the fewest samples will do.
const PATIENCE: u32 = 10;
/// Steps before the first sample: pipelines are compiled and the pool filled.
const WARM_UP: u64 = 2;
/// Shortest sample: far above the resolution of the clock and the cost of waiting for a device.
const SAMPLE: Duration = Duration::from_millis(5);

/// Times `step` for about `budget`: samples of as many steps as take 5 ms, each ended by waiting for the device.
pub fn time(device: &Device, budget: Duration, mut step: impl FnMut()) -> Timing {
    let [timing] = time_in_turns(device, budget, [&mut step]).0;
    timing
}

/// Times each step for about `budget`, a sample of one after a sample of the other, so that what else a machine does
/// in the meantime hits all of them. Also gives the last one's seconds over the first one's, the median of the rounds.
pub fn time_in_turns<const N: usize>(
    device: &Device,
    budget: Duration,
    mut steps: [&mut dyn FnMut(); N],
) -> ([Timing; N], f64) {
    let sample = |step: &mut dyn FnMut(), steps: u64| {
        let start = Instant::now();
        (0..steps).for_each(|_| step());
        device.wait();
        start.elapsed()
    };
    let repeats = steps.each_mut().map(|step| {
        sample(step, WARM_UP);
        let once = sample(step, 1).max(Duration::from_nanos(1));
        SAMPLE.as_nanos().div_ceil(once.as_nanos()) as u64
    });
    let mut rounds: Vec<[f64; N]> = Vec::new();
    let started = Instant::now();
    let budget = N as u32 * budget;
    let enough = |rounds: usize| {
        let spent = started.elapsed();
        (rounds >= LEAST_SAMPLES && spent >= budget)
            || (rounds >= FEWEST_SAMPLES && spent >= PATIENCE * budget)
    };
    while !enough(rounds.len()) {
        rounds.push(std::array::from_fn(|side| {
            sample(steps[side], repeats[side]).as_secs_f64() / repeats[side] as f64
        }));
    }
    let timings = std::array::from_fn(|side| {
        let seconds = sorted(rounds.iter().map(|round| round[side]));
        let samples = seconds.len();
        let steps = WARM_UP + 1 + samples as u64 * repeats[side];
        Timing { median: seconds[samples / 2], minimum: seconds[0], samples, steps }
    });
    let ratios = sorted(rounds.iter().map(|round| round[N - 1] / round[0]));
    (timings, ratios[ratios.len() / 2])
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

/// The most that a device was seen to do: the two roofs of Williams et al. 2009, doi:10.1145/1498765.1498785, and what
/// products reach below them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Roofline {
    /// FLOP a second of f32 multiply-adds that need nothing but registers.
    pub flops: f64,
    /// FLOP a second of the fastest f32 matrix product.
    pub product_flops: f64,
    /// Bytes a second of the fastest copy, read and written ones together.
    pub bytes: f64,
}

/// What is spent on one probe.
const PROBE: Duration = Duration::from_millis(500);

impl Roofline {
    /// Measures a device by multiply-adds, square products and a copy, each the fastest sample.
    pub fn measure(device: &Device) -> Self {
        let hardware = !device.is_cpu() && !device.is_software();
        let flops = multiply_add_flops(device, if hardware { 1 << 20 } else { 1 << 14 });
        let sides: &[usize] = if hardware { &[2048, 4096] } else { &[512, 1024] };
        let product_flops =
            sides.iter().map(|&side| product_flops(device, side)).fold(0.0, f64::max);
        // 64 MiB leave every cache of a processor; a graphics card's second level may have as much.
        let most = (device.limits().max_binding_bytes / 4) as usize;
        let words = most.min(if hardware { 64 << 20 } else { 16 << 20 });
        let source = device.upload_f32(&vec![1.0; words]);
        let mut copy = device.buffer(words);
        let timing = time(device, PROBE, || ops::assign(device, &source, &mut copy, 1.0));
        Self { flops, product_flops, bytes: 8.0 * words as f64 / timing.minimum }
    }

    /// Seconds that the work takes at least: `max(FLOPs / peak, bytes / bandwidth)`.
    pub fn least_seconds(&self, flops: u64, words: u64) -> f64 {
        (flops as f64 / self.flops).max(4.0 * words as f64 / self.bytes)
    }
}

/// FLOP a second of so many lanes' multiply-adds.
fn multiply_add_flops(device: &Device, lanes: usize) -> f64 {
    const ROUNDS: u32 = 256;
    let (x, mut y) = (device.upload_f32(&normal(lanes, 1)), device.buffer(lanes));
    let timing = time(device, PROBE, || ops::multiply_add(device, &x, &mut y, ROUNDS));
    let of_a_round = (2 * CHAINS * STEPS) as f64;
    of_a_round * f64::from(ROUNDS) * lanes as f64 / timing.minimum
}

/// FLOP a second of one square product. Its inputs are random: zeros cost less power, so less time.
fn product_flops(device: &Device, side: usize) -> f64 {
    let matrix = |seed| Tensor::f32(device, [side, side], &normal(side * side, seed));
    let (a, b) = (matrix(1), matrix(2));
    let timing = time(device, PROBE, || drop(ops::matmul(&a, &b, Transpose::Neither)));
    2.0 * (side as f64).powi(3) / timing.minimum
}
