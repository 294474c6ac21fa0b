//! Dispatches are recorded into one encoder and one compute pass, and submitted together.
//!
//! A batch ends when it holds enough work, when something is read, or when an upload would overtake it:
//! `write_buffer` takes effect before the next submission, so a buffer that the open batch uses must not be
//! written until the batch is on its way.

use std::collections::{HashSet, VecDeque};
use std::fmt::Write;
use std::sync::{Arc, OnceLock, mpsc};

use super::kernel::Launch;
use super::profile::Timestamps;

/// The batch under way and the submissions before it.
#[derive(Default)]
pub(super) struct Recorder {
    pass: Option<wgpu::ComputePass<'static>>,
    encoder: Option<wgpu::CommandEncoder>,
    touched: HashSet<u64>,
    operations: Vec<(&'static str, &'static str, u64)>,
    suspects: Vec<(&'static str, &'static str, u64)>,
    flops: u64,
    copies: Vec<Copy>,
    in_flight: VecDeque<wgpu::SubmissionIndex>,
}

/// A staging buffer that the open batch copies into: it can be mapped once the batch is submitted.
pub(super) struct Copy {
    pub(super) staging: wgpu::Buffer,
    pub(super) bytes: u64,
    pub(super) submission: Arc<OnceLock<wgpu::SubmissionIndex>>,
    pub(super) mapped: mpsc::Sender<Result<(), String>>,
}

/// Dispatches of one batch at most.
const MOST_DISPATCHES: usize = 128;
/// Submissions the device may be behind.
const MOST_IN_FLIGHT: usize = 3;

impl Recorder {
    /// Adds one dispatch; with `timestamps`, in a pass of its own that is timed.
    pub(super) fn dispatch(
        &mut self,
        device: &wgpu::Device,
        (stem, entry): (&'static str, &'static str),
        (pipeline, group): (&wgpu::ComputePipeline, &wgpu::BindGroup),
        launch: Launch,
        timestamps: Option<&mut Timestamps>,
    ) {
        let encoder = self.encoder.get_or_insert_with(|| encoder(device));
        if let Some(timestamps) = timestamps {
            let writes = timestamps.next(stem, entry, launch);
            let descriptor =
                wgpu::ComputePassDescriptor { label: Some(stem), timestamp_writes: Some(writes) };
            let mut pass = encoder.begin_compute_pass(&descriptor);
            pass.set_pipeline(pipeline);
            pass.set_bind_group(0, group, &[]);
            pass.dispatch_workgroups(launch.groups[0], launch.groups[1], launch.groups[2]);
        } else {
            let pass = self.pass.get_or_insert_with(|| {
                encoder
                    .begin_compute_pass(&wgpu::ComputePassDescriptor::default())
                    .forget_lifetime()
            });
            pass.set_pipeline(pipeline);
            pass.set_bind_group(0, group, &[]);
            pass.dispatch_workgroups(launch.groups[0], launch.groups[1], launch.groups[2]);
        }
        self.operations.push((stem, entry, launch.flops));
        self.flops += launch.flops;
    }

    /// Notes that the open batch uses buffer `id`.
    pub(super) fn touch(&mut self, id: u64) {
        self.touched.insert(id);
    }

    /// Whether the open batch uses buffer `id`.
    pub(super) fn touches(&self, id: u64) -> bool {
        self.touched.contains(&id)
    }

    /// Whether the open batch has grown large enough to be sent.
    pub(super) fn is_full(&self, flops: u64) -> bool {
        self.operations.len() >= MOST_DISPATCHES || self.flops >= flops
    }

    /// Adds a copy of a buffer, from byte `offset` on, to the host.
    pub(super) fn copy(
        &mut self,
        device: &wgpu::Device,
        (buffer, offset): (&wgpu::Buffer, u64),
        copy: Copy,
    ) {
        self.pass = None;
        let encoder = self.encoder.get_or_insert_with(|| encoder(device));
        encoder.copy_buffer_to_buffer(buffer, offset, &copy.staging, 0, copy.bytes);
        self.copies.push(copy);
    }

    /// Submits the open batch, and waits while too many are in flight.
    pub(super) fn flush(
        &mut self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        timestamps: Option<&mut Timestamps>,
    ) {
        self.pass = None;
        let Some(mut encoder) = self.encoder.take() else { return };
        let resolved = timestamps.map(|timestamps| {
            let staging = timestamps.resolve(device, &mut encoder);
            (timestamps, staging)
        });
        let index = queue.submit([encoder.finish()]);
        for Copy { staging, bytes, submission, mapped } in self.copies.drain(..) {
            // Set once, by the only flush that drains this copy.
            let _ = submission.set(index.clone());
            staging.slice(..bytes).map_async(wgpu::MapMode::Read, move |result| {
                // The reader may be gone; then nobody wants the answer.
                let _ = mapped.send(result.map_err(|error| error.to_string()));
            });
        }
        if let Some((timestamps, Some(staging))) = resolved {
            timestamps.collect(device, &staging);
        }
        self.in_flight.push_back(index);
        self.suspects = std::mem::take(&mut self.operations);
        self.touched.clear();
        self.flops = 0;
        while self.in_flight.len() > MOST_IN_FLIGHT {
            let oldest = self.in_flight.pop_front();
            // A lost device answers here with an error; its callback has noted the reason.
            let _ = device.poll(wgpu::PollType::Wait { submission_index: oldest, timeout: None });
        }
    }

    /// The kernels of the submission that a lost device was working on.
    pub(super) fn suspects(&self) -> String {
        let mut text = String::new();
        for (stem, entry, flops) in &self.suspects {
            let _ = write!(text, "{stem}.{entry} ({:.1} MFLOP) ", *flops as f64 / 1e6);
        }
        text
    }
}

fn encoder(device: &wgpu::Device) -> wgpu::CommandEncoder {
    device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("batch") })
}
