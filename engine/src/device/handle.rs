//! The handle that everything else holds.

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Instant;

use super::adapter::{Selector, choose, instance};
use super::buffer::{Allocation, Buffer, Storage, widened};
use super::gpu::{Gpu, Pending};
use super::kernel::{Kernel, Launch, element_format};
use super::pool::{MemoryStats, Pool, class_of};
use super::profile::{Event, Profile};
use super::{Error, Format, Fragments, Trial};

/// How a device is opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Shaders keep naga's bounds checks; on the CPU, recycled buffers are filled with NaN.
    pub checked: bool,
    /// Every kernel is timed, see [`Device::take_profile`].
    pub profile: bool,
    /// Every float that a kernel writes is checked at once; the first NaN or infinity is an error.
    pub check_numerics: bool,
}

/// What a device can bind and start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the largest buffer that a kernel can see.
    pub max_binding_bytes: u64,
    /// Bytes of workgroup memory.
    pub max_workgroup_bytes: u32,
    /// Invocations of one workgroup.
    pub max_invocations: u32,
    /// Workgroups along one dimension.
    pub max_groups: u32,
    /// Storage buffers that one kernel may bind.
    pub max_storage_buffers: u32,
    /// Lanes of every subgroup, where that is one number and kernels may use subgroups.
    pub subgroup: Option<u32>,
}

/// A place where kernels run. Cheap to clone; two clones are the same device.
#[derive(Clone)]
pub struct Device {
    inner: Arc<Inner>,
}

struct Inner {
    pool: Arc<Pool>,
    options: Options,
    backend: Backend,
}

enum Backend {
    Cpu { profile: Mutex<Profile>, opened: Instant },
    Gpu(Arc<Gpu>),
}

impl Device {
    /// The CPU, through the twins.
    pub fn cpu() -> Self {
        Self::cpu_with(Options::default())
    }

    /// The CPU, with options.
    pub fn cpu_with(options: Options) -> Self {
        let backend = Backend::Cpu { profile: Mutex::default(), opened: Instant::now() };
        Self { inner: Arc::new(Inner { pool: Arc::default(), options, backend }) }
    }

    /// Opens what `selector` names; see [`Selector`] for what `auto` takes.
    ///
    /// # Errors
    /// [`Error::NoAdapter`], [`Error::UnknownDevice`] or [`Error::Refused`].
    pub fn open(selector: &Selector, options: Options) -> Result<Self, Error> {
        let Some(adapter) = choose(&instance(), selector)? else {
            return Ok(Self::cpu_with(options));
        };
        let backend = Backend::Gpu(Arc::new(Gpu::open(&adapter, options)?));
        Ok(Self { inner: Arc::new(Inner { pool: Arc::default(), options, backend }) })
    }

    /// `cpu`, or the adapter's name.
    pub fn name(&self) -> &str {
        match &self.inner.backend {
            Backend::Cpu { .. } => "cpu",
            Backend::Gpu(gpu) => &gpu.name,
        }
    }

    /// How it was opened.
    pub fn options(&self) -> Options {
        self.inner.options
    }

    /// Whether kernels run as twins on the host.
    pub fn is_cpu(&self) -> bool {
        matches!(self.inner.backend, Backend::Cpu { .. })
    }

    /// Whether this is a wgpu adapter that emulates a GPU on the host.
    pub fn is_software(&self) -> bool {
        matches!(&self.inner.backend, Backend::Gpu(gpu) if gpu.software)
    }

    /// What it can bind and start.
    pub fn limits(&self) -> Limits {
        match &self.inner.backend {
            Backend::Cpu { .. } => Limits {
                max_binding_bytes: u64::from(u32::MAX) * 4,
                max_workgroup_bytes: u32::MAX,
                max_invocations: u32::MAX,
                max_groups: u32::MAX,
                max_storage_buffers: u32::MAX,
                subgroup: None,
            },
            Backend::Gpu(gpu) => gpu.limits,
        }
    }

    /// Whether kernels may read and write buffers of `format`.
    pub fn supports(&self, format: Format) -> bool {
        match &self.inner.backend {
            Backend::Gpu(gpu) => format == Format::Word || gpu.halves,
            Backend::Cpu { .. } => true,
        }
    }

    /// The fragments of `format` that the adapter says it multiplies.
    pub fn listed_fragments(&self, format: Format) -> Option<Fragments> {
        match &self.inner.backend {
            Backend::Gpu(gpu) => gpu.listed_fragments(format),
            Backend::Cpu { .. } => None,
        }
    }

    /// The fragments of `format`, if the adapter multiplies them and the trial, made once a device, comes out right: some
    /// drivers list what they refuse or compute wrongly. `launch` runs kernels without reading, `judge` reads.
    pub fn fragments<R>(
        &self,
        trial: Trial,
        format: Format,
        launch: impl FnOnce(Fragments) -> R,
        judge: impl FnOnce(R) -> bool,
    ) -> Option<Fragments> {
        match &self.inner.backend {
            Backend::Gpu(gpu) => gpu.fragments(trial, format, launch, judge),
            Backend::Cpu { .. } => None,
        }
    }

    /// Whether two handles mean the same device.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    /// A buffer of `words` 4-byte words with arbitrary contents: a kernel must write every one of them.
    ///
    /// # Panics
    /// Unwinds with [`Error::OutOfMemory`] or [`Error::BindingTooLarge`], see [`super::catch`].
    pub fn buffer(&self, words: usize) -> Buffer {
        self.buffer_of(Format::Word, words)
    }

    /// As [`Device::buffer`], for `elements` of a format.
    ///
    /// # Panics
    /// As [`Device::buffer`].
    pub fn buffer_of(&self, format: Format, elements: usize) -> Buffer {
        let class = class_of(format.words(elements));
        let pool = &self.inner.pool;
        let storage = match &self.inner.backend {
            Backend::Cpu { .. } => pool.take(class, |_| Storage::Cpu(RwLock::new(vec![0; class]))),
            Backend::Gpu(gpu) => pool.take(class, gpu.allocate(class, pool)),
        };
        let allocation = Allocation { storage: Some(storage), class, pool: pool.clone() };
        let buffer = Buffer::new(allocation, elements, format);
        if self.is_cpu() && self.inner.options.checked {
            buffer.write_shared().u32_mut().fill(u32::MAX); // NaN in either format
        }
        buffer
    }

    /// As [`Device::buffer`], as long as another and in its format.
    ///
    /// # Panics
    /// As [`Device::buffer`].
    pub fn buffer_like(&self, other: &Buffer) -> Buffer {
        self.buffer_of(other.format(), other.elements())
    }

    /// As [`Device::buffer`], for f32s that several kernels write a part each of: zeros where numbers are checked, since a
    /// check looks at the parts that are still to come as well.
    ///
    /// # Panics
    /// As [`Device::buffer`].
    pub fn buffer_of_parts(&self, words: usize) -> Buffer {
        if self.inner.options.check_numerics {
            self.upload_f32(&vec![0.0; words])
        } else {
            self.buffer(words)
        }
    }

    /// A new buffer that holds `values`.
    pub fn upload_f32(&self, values: &[f32]) -> Buffer {
        self.upload_u32(bytemuck::cast_slice(values))
    }

    /// A new buffer that holds `values`.
    pub fn upload_u32(&self, values: &[u32]) -> Buffer {
        let mut buffer = self.buffer(values.len());
        self.write_u32(&mut buffer, values);
        buffer
    }

    /// Overwrites `buffer` with `values`, after everything that was recorded before.
    ///
    /// # Panics
    /// If the lengths differ.
    #[track_caller]
    pub fn write_u32(&self, buffer: &mut Buffer, values: &[u32]) {
        assert_eq!(buffer.words(), values.len(), "write: a buffer of other length");
        match &self.inner.backend {
            Backend::Cpu { .. } => buffer.write_shared().u32_mut().copy_from_slice(values),
            Backend::Gpu(gpu) => gpu.write(buffer, bytemuck::cast_slice(values)),
        }
    }

    /// Overwrites `buffer` with `values`.
    ///
    /// # Panics
    /// As [`Device::write_u32`].
    #[track_caller]
    pub fn write_f32(&self, buffer: &mut Buffer, values: &[f32]) {
        self.write_u32(buffer, bytemuck::cast_slice(values));
    }

    /// Runs one kernel after all that came before. Does not wait.
    ///
    /// # Panics
    /// Unwinds with [`Error::NotFinite`] if the device checks numerics.
    pub fn run<K: Kernel>(&self, kernel: K, launch: Launch) {
        if launch.groups.contains(&0) {
            return;
        }
        let bindings = kernel.bindings();
        let format = element_format::<K>(&bindings);
        let launch = launch.as_stored(&bindings);
        let numerics = self.inner.options.check_numerics.then(|| watched(&kernel));
        match &self.inner.backend {
            Backend::Cpu { profile, opened } if self.inner.options.profile => {
                let start = opened.elapsed().as_secs_f64();
                kernel.on_cpu();
                let event = Event {
                    stem: K::STEM,
                    entry: K::ENTRY,
                    start,
                    duration: opened.elapsed().as_secs_f64() - start,
                    flops: launch.flops,
                    words: launch.words,
                };
                profile.lock().unwrap_or_else(PoisonError::into_inner).push(event);
            }
            Backend::Cpu { .. } => kernel.on_cpu(),
            Backend::Gpu(gpu) => gpu.run(&kernel, format, launch),
        }
        for (tensor, buffer) in numerics.into_iter().flatten() {
            self.expect_finite(&format!("{}.{}", K::STEM, K::ENTRY), tensor, &buffer);
        }
    }

    fn expect_finite(&self, kernel: &str, tensor: &str, buffer: &Buffer) {
        let values = self.read_f32(buffer);
        if let Some(index) = values.iter().position(|value| !value.is_finite()) {
            let (kernel, tensor) = (kernel.to_string(), tensor.to_string());
            Error::NotFinite { kernel, tensor, index, value: values[index].to_string() }.throw();
        }
    }

    /// Copies a buffer to the host as f32, waiting for all that came before.
    pub fn read_f32(&self, buffer: &Buffer) -> Vec<f32> {
        self.read_later(buffer).f32()
    }

    /// Copies a buffer to the host, waiting for all that came before.
    pub fn read_u32(&self, buffer: &Buffer) -> Vec<u32> {
        self.read_later(buffer).u32()
    }

    /// Starts copying a buffer to the host; the copy is of now, whenever it is taken.
    pub fn read_later(&self, buffer: &Buffer) -> Readback {
        let reading = match &self.inner.backend {
            Backend::Cpu { .. } => Reading::Here(buffer.read().u32().to_vec()),
            Backend::Gpu(gpu) => Reading::OnItsWay(gpu.clone(), gpu.read_later(buffer)),
        };
        Readback { reading, elements: buffer.elements(), format: buffer.format() }
    }

    /// Sends what is recorded to the device.
    pub fn flush(&self) {
        if let Backend::Gpu(gpu) = &self.inner.backend {
            gpu.flush();
        }
    }

    /// Waits until everything recorded has run.
    pub fn wait(&self) {
        if let Backend::Gpu(gpu) = &self.inner.backend {
            gpu.wait();
        }
    }

    /// Bytes of device memory.
    pub fn memory(&self) -> MemoryStats {
        self.inner.pool.stats()
    }

    /// Makes the present the new start of [`MemoryStats::peak`].
    pub fn reset_peak(&self) {
        self.inner.pool.reset_peak();
    }

    /// What was timed since the last call; empty unless opened with [`Options::profile`] on a device with timestamps.
    pub fn take_profile(&self) -> Profile {
        match &self.inner.backend {
            Backend::Cpu { profile, .. } => {
                std::mem::take(&mut *profile.lock().unwrap_or_else(PoisonError::into_inner))
            }
            Backend::Gpu(gpu) => gpu.take_profile(),
        }
    }
}

impl std::fmt::Debug for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Device({})", self.name())
    }
}

/// The float buffers that a kernel writes, by name.
fn watched<K: Kernel>(kernel: &K) -> Vec<(&'static str, Buffer)> {
    let written = kernel.bindings().into_iter().filter(|binding| binding.written && binding.float);
    written.map(|binding| (binding.name, binding.buffer.clone())).collect()
}

/// A copy on its way to the host.
pub struct Readback {
    reading: Reading,
    elements: usize,
    format: Format,
}

enum Reading {
    Here(Vec<u32>),
    OnItsWay(Arc<Gpu>, Pending),
}

impl Readback {
    /// Waits for the copy of the words.
    pub fn u32(self) -> Vec<u32> {
        match self.reading {
            Reading::Here(words) => words,
            Reading::OnItsWay(gpu, pending) => gpu.finish_read(pending),
        }
    }

    /// Waits for the copy of the elements, as f32.
    pub fn f32(self) -> Vec<f32> {
        let Self { elements, format, .. } = self;
        let words = self.u32();
        match format {
            Format::Word => bytemuck::cast_vec(words),
            Format::Half => widened(&words, elements),
        }
    }
}
