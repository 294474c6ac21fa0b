//! Where the time goes: one row a kernel, from timestamp queries on an adapter and from the clock on the CPU.

use std::collections::BTreeMap;
use std::sync::mpsc;

use super::kernel::Launch;

/// One run of one kernel.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Stem and entry point, `layer_norm.forward`.
    pub kernel: String,
    /// Seconds since the first event.
    pub start: f64,
    /// Seconds.
    pub duration: f64,
    /// Floating-point operations by formula.
    pub flops: u64,
    /// 4-byte words by formula.
    pub words: u64,
}

/// All runs of one kernel together.
#[derive(Clone, Debug, PartialEq)]
pub struct ProfileRow {
    /// Stem and entry point.
    pub kernel: String,
    /// Runs.
    pub count: usize,
    /// Seconds of all runs.
    pub seconds: f64,
    /// Achieved 10⁹ FLOP a second.
    pub gflops: f64,
    /// Achieved 10⁹ bytes a second.
    pub gbytes_per_second: f64,
}

/// What a device recorded while profiling.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    /// Every run in order.
    pub events: Vec<Event>,
}

impl Profile {
    /// One row a kernel, the most expensive first.
    pub fn rows(&self) -> Vec<ProfileRow> {
        let mut sums: BTreeMap<&str, (usize, f64, u64, u64)> = BTreeMap::new();
        for event in &self.events {
            let sum = sums.entry(&event.kernel).or_default();
            *sum = (sum.0 + 1, sum.1 + event.duration, sum.2 + event.flops, sum.3 + event.words);
        }
        let row = |(kernel, (count, seconds, flops, words)): (&str, (usize, f64, u64, u64))| {
            let rate = |amount: f64| if seconds > 0.0 { amount / seconds / 1e9 } else { 0.0 };
            ProfileRow {
                kernel: kernel.to_string(),
                count,
                seconds,
                gflops: rate(flops as f64),
                gbytes_per_second: rate(4.0 * words as f64),
            }
        };
        let mut rows: Vec<ProfileRow> = sums.into_iter().map(row).collect();
        rows.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
        rows
    }
}

/// Dispatches of one batch that can be timed: two queries each, 4,096 at most in a set.
const MOST_TIMED: u32 = 1024;

/// The queries of the open batch and the events so far.
pub(super) struct Timestamps {
    queries: wgpu::QuerySet,
    resolve: wgpu::Buffer,
    open: Vec<(&'static str, &'static str, Launch)>,
    seconds_per_tick: f64,
    first_tick: Option<u64>,
    pub(super) events: Vec<Event>,
}

impl Timestamps {
    pub(super) fn new(device: &wgpu::Device, queue: &wgpu::Queue) -> Self {
        let bytes = u64::from(MOST_TIMED) * 16;
        Self {
            queries: device.create_query_set(&wgpu::QuerySetDescriptor {
                label: Some("timestamps"),
                ty: wgpu::QueryType::Timestamp,
                count: 2 * MOST_TIMED,
            }),
            resolve: device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("timestamps"),
                size: bytes,
                usage: wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC,
                mapped_at_creation: false,
            }),
            open: Vec::new(),
            seconds_per_tick: f64::from(queue.get_timestamp_period()) * 1e-9,
            first_tick: None,
            events: Vec::new(),
        }
    }

    /// The two queries of the next dispatch.
    pub(super) fn next(
        &mut self,
        stem: &'static str,
        entry: &'static str,
        launch: Launch,
    ) -> wgpu::ComputePassTimestampWrites<'_> {
        let at = 2 * self.open.len() as u32;
        self.open.push((stem, entry, launch));
        wgpu::ComputePassTimestampWrites {
            query_set: &self.queries,
            beginning_of_pass_write_index: Some(at),
            end_of_pass_write_index: Some(at + 1),
        }
    }

    /// Copies the open batch's ticks into a buffer to be read after submission.
    pub(super) fn resolve(
        &mut self,
        device: &wgpu::Device,
        encoder: &mut wgpu::CommandEncoder,
    ) -> Option<wgpu::Buffer> {
        let count = 2 * self.open.len() as u32;
        if count == 0 {
            return None;
        }
        let bytes = u64::from(count) * 8;
        let staging = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("timestamps staging"),
            size: bytes,
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        encoder.resolve_query_set(&self.queries, 0..count, &self.resolve, 0);
        encoder.copy_buffer_to_buffer(&self.resolve, 0, &staging, 0, bytes);
        Some(staging)
    }

    /// Turns the ticks of the batch just submitted into events; waits for it (profiling may).
    pub(super) fn collect(&mut self, device: &wgpu::Device, staging: &wgpu::Buffer) {
        let (sender, receiver) = mpsc::channel();
        staging.slice(..).map_async(wgpu::MapMode::Read, move |result| {
            let _ = sender.send(result);
        });
        let _ = device.poll(wgpu::PollType::wait_indefinitely());
        let open = std::mem::take(&mut self.open);
        if !matches!(receiver.recv(), Ok(Ok(()))) {
            return;
        }
        let Ok(view) = staging.slice(..).get_mapped_range() else { return };
        let ticks: &[u64] = bytemuck::cast_slice(&view);
        for ((stem, entry, launch), tick) in open.into_iter().zip(ticks.chunks_exact(2)) {
            let first = *self.first_tick.get_or_insert(tick[0]);
            let seconds =
                |from: u64, to: u64| to.saturating_sub(from) as f64 * self.seconds_per_tick;
            self.events.push(Event {
                kernel: format!("{stem}.{entry}"),
                start: seconds(first, tick[0]),
                duration: seconds(tick[0], tick[1]),
                flops: launch.flops,
                words: launch.words,
            });
        }
    }
}
