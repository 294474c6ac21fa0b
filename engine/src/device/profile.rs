//! Where the time goes: one row a kernel, from timestamp queries on an adapter and from the clock on the CPU.

use std::collections::BTreeMap;
use std::sync::mpsc;

use super::kernel::Launch;

/// One run of one kernel.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The kernel's stem, `layer_norm`.
    pub stem: &'static str,
    /// Its entry point, `forward`.
    pub entry: &'static str,
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
    /// Stem and entry point, `layer_norm.forward`.
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

/// Runs that are kept one by one: 56 MiB of them. What a long training runs after that is in the sums alone.
const MOST_EVENTS: usize = 1 << 20;

/// What a device recorded while profiling.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    events: Vec<Event>,
    sums: BTreeMap<(&'static str, &'static str), Sum>,
}

/// Of all runs of one kernel.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    count: usize,
    seconds: f64,
    flops: u64,
    words: u64,
}

impl Profile {
    /// Every run in order, but for those after the first 2²⁰.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// How many runs are in the sums alone.
    pub fn left_out(&self) -> usize {
        self.sums.values().map(|sum| sum.count).sum::<usize>() - self.events.len()
    }

    /// Seconds of all runs.
    pub fn seconds(&self) -> f64 {
        self.sums.values().map(|sum| sum.seconds).sum()
    }

    /// Adds what was recorded after this.
    pub fn append(&mut self, later: Self) {
        let room = MOST_EVENTS.saturating_sub(self.events.len());
        self.events.extend(later.events.into_iter().take(room));
        for (kernel, sum) in later.sums {
            self.sums.entry(kernel).or_default().add(sum);
        }
    }

    pub(super) fn push(&mut self, event: Event) {
        let Event { stem, entry, duration, flops, words, .. } = event;
        let run = Sum { count: 1, seconds: duration, flops, words };
        self.sums.entry((stem, entry)).or_default().add(run);
        if self.events.len() < MOST_EVENTS {
            self.events.push(event);
        }
    }

    /// One row a kernel, the most expensive first.
    pub fn rows(&self) -> Vec<ProfileRow> {
        let row = |(&(stem, entry), sum): (&(&str, &str), &Sum)| {
            let Sum { count, seconds, flops, words } = *sum;
            let rate = |amount: f64| if seconds > 0.0 { amount / seconds / 1e9 } else { 0.0 };
            ProfileRow {
                kernel: format!("{stem}.{entry}"),
                count,
                seconds,
                gflops: rate(flops as f64),
                gbytes_per_second: rate(4.0 * words as f64),
            }
        };
        let mut rows: Vec<ProfileRow> = self.sums.iter().map(row).collect();
        rows.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
        rows
    }
}

impl Sum {
    fn add(&mut self, other: Self) {
        self.count += other.count;
        self.seconds += other.seconds;
        self.flops += other.flops;
        self.words += other.words;
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
    pub(super) profile: Profile,
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
            profile: Profile::default(),
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
            self.profile.push(Event {
                stem,
                entry,
                start: seconds(first, tick[0]),
                duration: seconds(tick[0], tick[1]),
                flops: launch.flops,
                words: launch.words,
            });
        }
    }
}
