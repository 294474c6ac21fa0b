//! A device that runs kernels on a wgpu adapter.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, mpsc};

use super::adapter::{WANTED, is_software};
use super::buffer::{Buffer, Storage};
use super::fragments::{self, Fragments, Trial};
use super::handle::{Limits, Options};
use super::kernel::{Kernel, Launch};
use super::pipeline::Caches;
use super::pool::{MemoryStats, Pool};
use super::profile::{Profile, Timestamps};
use super::submission::{Copy, Recorder};
use super::{Error, Format};

pub(super) struct Gpu {
    device: wgpu::Device,
    queue: wgpu::Queue,
    pub(super) name: String,
    pub(super) limits: Limits,
    pub(super) software: bool,
    /// Whether shaders may hold f16.
    pub(super) halves: bool,
    /// What is multiplied at once, by format, and whether that was found to be right.
    fragments: [Option<Fragments>; 2],
    proofs: [[OnceLock<bool>; 2]; 2],
    checked: bool,
    next_id: AtomicU64,
    failure: Arc<Mutex<Option<Error>>>,
    state: Mutex<State>,
}

/// A copy on its way to the host.
pub(super) struct Pending {
    staging: wgpu::Buffer,
    words: usize,
    /// Of the batch with the copy, once that is submitted.
    submission: Arc<OnceLock<wgpu::SubmissionIndex>>,
    receiver: mpsc::Receiver<Result<(), String>>,
}

/// Every format, at the place that its number says.
const FORMATS: [Format; 2] = [Format::Word, Format::Half];

struct State {
    caches: Caches,
    recorder: Recorder,
    timestamps: Option<Timestamps>,
    staging: HashMap<u64, Vec<wgpu::Buffer>>,
}

impl Gpu {
    pub(super) fn open(adapter: &wgpu::Adapter, options: Options) -> Result<Self, Error> {
        let info = adapter.get_info();
        let listed = FORMATS.map(|format| Fragments::of(adapter, format));
        // What is experimental must not cost a device that works without it.
        let opened = if listed == [None; 2] {
            request(adapter, false).map(|pair| (pair, listed))
        } else {
            let with = request(adapter, true).map(|pair| (pair, listed));
            with.or_else(|_| request(adapter, false).map(|pair| (pair, [None; 2])))
        };
        let ((device, queue), fragments) = opened.map_err(|error| Error::Refused {
            adapter: info.name.clone(),
            reason: error.to_string(),
        })?;
        let failure = Arc::new(Mutex::new(None));
        note_failures(&device, &failure);
        let limits = device.limits();
        let timed = options.profile && device.features().contains(wgpu::Features::TIMESTAMP_QUERY);
        let timestamps = timed.then(|| Timestamps::new(&device, &queue));
        Ok(Self {
            name: info.name,
            limits: Limits {
                max_binding_bytes: limits
                    .max_storage_buffer_binding_size
                    .min(limits.max_buffer_size),
                max_workgroup_bytes: limits.max_compute_workgroup_storage_size,
                max_invocations: limits.max_compute_invocations_per_workgroup,
                max_groups: limits.max_compute_workgroups_per_dimension,
                max_storage_buffers: limits.max_storage_buffers_per_shader_stage,
                subgroup: (device.features().contains(wgpu::Features::SUBGROUP)
                    && info.subgroup_min_size == info.subgroup_max_size)
                    .then_some(info.subgroup_min_size),
            },
            software: is_software(adapter),
            halves: device.features().contains(wgpu::Features::SHADER_F16),
            fragments,
            proofs: Default::default(),
            checked: options.checked,
            next_id: AtomicU64::new(0),
            failure,
            state: Mutex::new(State {
                caches: Caches::default(),
                recorder: Recorder::default(),
                timestamps,
                staging: HashMap::new(),
            }),
            device,
            queue,
        })
    }

    /// The fragments of `format` that the adapter says it multiplies.
    pub(super) fn listed_fragments(&self, format: Format) -> Option<Fragments> {
        self.fragments[format as usize]
    }

    /// The fragments of `format`, if the adapter has them and the driver takes what `launch` runs, once, and `judge` finds
    /// it right.
    pub(super) fn fragments<R>(
        &self,
        trial: Trial,
        format: Format,
        launch: impl FnOnce(Fragments) -> R,
        judge: impl FnOnce(R) -> bool,
    ) -> Option<Fragments> {
        let fragments = self.fragments[format as usize]?;
        // A driver that refuses the kernel is one that cannot multiply them, and no reason to stop. The batch that it spoils
        // holds nothing else, and is not waited for.
        let prove = || {
            self.flush();
            let validation = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
            let internal = self.device.push_error_scope(wgpu::ErrorFilter::Internal);
            let launched = launch(fragments);
            self.flush();
            let refusals = [internal, validation].map(|scope| pollster::block_on(scope.pop()));
            refusals.iter().all(Option::is_none) && judge(launched)
        };
        self.proofs[trial as usize][format as usize].get_or_init(prove).then_some(fragments)
    }

    /// FLOPs of one submission: about a tenth of a second on the device, well below any watchdog.
    fn batch_flops(&self) -> u64 {
        if self.software { 500_000_000 } else { 200_000_000_000 }
    }

    /// A device buffer of `class` words, after trimming the pool if the driver has no memory left.
    pub(super) fn allocate(
        &self,
        class: usize,
        pool: &Pool,
    ) -> impl FnOnce(MemoryStats) -> Storage {
        let bytes = 4 * class as u64;
        move |stats| {
            if bytes > self.limits.max_binding_bytes {
                let limit = self.limits.max_binding_bytes;
                Error::BindingTooLarge { wanted: bytes, limit }.throw();
            }
            let create = || {
                let scope = self.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
                let buffer = self.device.create_buffer(&wgpu::BufferDescriptor {
                    label: Some("tensor"),
                    size: bytes,
                    usage: wgpu::BufferUsages::STORAGE
                        | wgpu::BufferUsages::COPY_SRC
                        | wgpu::BufferUsages::COPY_DST,
                    mapped_at_creation: false,
                });
                pollster::block_on(scope.pop()).is_none().then_some(buffer)
            };
            let buffer = create().or_else(|| {
                self.flush();
                self.state().caches.forget_groups();
                pool.trim();
                let _ = self.device.poll(wgpu::PollType::wait_indefinitely());
                create()
            });
            let id = self.next_id.fetch_add(1, Ordering::Relaxed);
            match buffer {
                Some(buffer) => Storage::Gpu { buffer, id },
                None => Error::OutOfMemory { wanted: bytes, in_use: stats.live - bytes }.throw(),
            }
        }
    }

    pub(super) fn run<K: Kernel>(&self, kernel: &K, format: Format, launch: Launch) {
        assert!(
            launch.groups.iter().all(|&count| count <= Launch::MAX_GROUPS),
            "{}.{} needs {:?} workgroups, expected at most {} along an axis",
            K::STEM,
            K::ENTRY,
            launch.groups,
            Launch::MAX_GROUPS
        );
        let mut state = self.state();
        let State { caches, recorder, timestamps, .. } = &mut *state;
        let bindings = kernel.bindings();
        let prelude = || match self.fragments[format as usize] {
            Some(fragments) if K::COOPERATIVE => fragments.prelude(format),
            _ => format.prelude().to_string(),
        };
        let pipeline = caches.pipeline(&self.device, kernel, format, prelude, self.checked);
        let group = caches.bind_group(&self.device, &pipeline, kernel, &bindings);
        for binding in &bindings {
            recorder.touch(binding.buffer.gpu().1);
        }
        let name = (K::STEM, K::ENTRY);
        let compiled = (&pipeline.pipeline, &group);
        recorder.dispatch(&self.device, name, compiled, launch, timestamps.as_mut());
        if recorder.is_full(self.batch_flops()) {
            recorder.flush(&self.device, &self.queue, timestamps.as_mut());
        }
    }

    pub(super) fn write(&self, buffer: &Buffer, bytes: &[u8]) {
        let (target, id) = buffer.gpu();
        if self.state().recorder.touches(id) {
            self.flush();
        }
        self.queue.write_buffer(target, 4 * buffer.offset() as u64, bytes);
    }

    pub(super) fn flush(&self) {
        let mut state = self.state();
        let State { recorder, timestamps, .. } = &mut *state;
        recorder.flush(&self.device, &self.queue, timestamps.as_mut());
        let suspects = recorder.suspects();
        drop(state);
        self.raise(&suspects);
    }

    /// Throws the failure that a callback noted, if any.
    fn raise(&self, suspects: &str) {
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match failure {
            Some(Error::Lost { reason, .. }) => {
                Error::Lost { reason, operations: suspects.trim_end().into() }.throw()
            }
            Some(error) => error.throw(),
            None => {}
        }
    }

    /// Adds a copy of `buffer` to the open batch.
    pub(super) fn read_later(&self, buffer: &Buffer) -> Pending {
        let bytes = (4 * buffer.words() as u64).max(4);
        let size = bytes.next_power_of_two();
        let mut state = self.state();
        let staging = state.staging.get_mut(&size).and_then(Vec::pop);
        let staging = staging.unwrap_or_else(|| self.create_staging(size));
        let submission = Arc::new(OnceLock::new());
        let (mapped, receiver) = mpsc::channel();
        let copy = Copy { staging: staging.clone(), bytes, submission: submission.clone(), mapped };
        let source = (buffer.gpu().0, 4 * buffer.offset() as u64);
        state.recorder.touch(buffer.gpu().1);
        state.recorder.copy(&self.device, source, copy);
        Pending { staging, words: buffer.words(), submission, receiver }
    }

    /// Waits for the submission that holds a copy, and for none after it; takes the words.
    pub(super) fn finish_read(&self, pending: Pending) -> Vec<u32> {
        let Pending { staging, words, submission, receiver } = pending;
        if submission.get().is_none() {
            self.flush();
        }
        let submission_index = submission.get().cloned();
        let _ = self.device.poll(wgpu::PollType::Wait { submission_index, timeout: None });
        let mapped =
            receiver.recv().unwrap_or_else(|_| Err("the driver dropped the request".into()));
        let suspects = self.state().recorder.suspects();
        self.raise(&suspects);
        if let Err(reason) = mapped {
            Error::Lost { reason, operations: suspects }.throw();
        }
        let view = staging.slice(..(4 * words as u64).max(4)).get_mapped_range();
        let view = view.expect("the range was mapped just now");
        let values = bytemuck::cast_slice(&view)[..words].to_vec();
        drop(view);
        staging.unmap();
        let size = staging.size();
        self.state().staging.entry(size).or_default().push(staging);
        values
    }

    pub(super) fn wait(&self) {
        self.flush();
        let _ = self.device.poll(wgpu::PollType::wait_indefinitely());
        self.raise("");
    }

    pub(super) fn take_profile(&self) -> Profile {
        self.wait();
        let mut state = self.state();
        let timestamps = state.timestamps.as_mut();
        timestamps.map(|timestamps| std::mem::take(&mut timestamps.profile)).unwrap_or_default()
    }

    fn create_staging(&self, size: u64) -> wgpu::Buffer {
        self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("staging"),
            size,
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A thrown error may unwind through a lock; the caches behind it are still whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Opens the adapter with the features that kernels use, with fragments or without.
fn request(
    adapter: &wgpu::Adapter,
    with_fragments: bool,
) -> Result<(wgpu::Device, wgpu::Queue), wgpu::RequestDeviceError> {
    let wanted = WANTED.iter().fold(wgpu::Features::empty(), |all, (one, _)| all | *one);
    let (fragments, experimental_features) = if with_fragments {
        // SAFETY: fragments are the one experimental feature, and run only where the adapter lists them and a trial of the
        // kernel came out right.
        (fragments::FEATURE, unsafe { wgpu::ExperimentalFeatures::enabled() })
    } else {
        (wgpu::Features::empty(), wgpu::ExperimentalFeatures::disabled())
    };
    let descriptor = wgpu::DeviceDescriptor {
        label: Some("wgrad"),
        required_features: adapter.features() & wanted | fragments,
        experimental_features,
        required_limits: adapter.limits(),
        memory_hints: wgpu::MemoryHints::Performance,
        ..Default::default()
    };
    pollster::block_on(adapter.request_device(&descriptor))
}

fn note_failures(device: &wgpu::Device, failure: &Arc<Mutex<Option<Error>>>) {
    let note = |failure: &Mutex<Option<Error>>, error: Error| {
        failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    };
    let shared = failure.clone();
    device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
        note(&shared, Error::Refusal(error.to_string()));
    }));
    let shared = failure.clone();
    device.set_device_lost_callback(move |reason, message| {
        if reason != wgpu::DeviceLostReason::Destroyed {
            note(&shared, Error::Lost { reason: message, operations: String::new() });
        }
    });
}
