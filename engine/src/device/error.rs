//! What the world can do to a device.

use std::panic::{AssertUnwindSafe, catch_unwind, panic_any, resume_unwind};

/// An error of the machine, not of the caller's shapes.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// No adapter at all where one was asked for.
    #[error(
        "no GPU adapter: expected a Vulkan, Metal or DX12 driver, found none; install one (on Debian and Ubuntu the \
         package mesa-vulkan-drivers gives a software adapter) or use --device cpu"
    )]
    NoAdapter,
    /// A selector that fits no adapter.
    #[error(
        "device `{wanted}` not found: expected auto, cpu, gpu, an index or part of a name of: {available}"
    )]
    UnknownDevice {
        /// What was asked for.
        wanted: String,
        /// What there is.
        available: String,
    },
    /// The driver refused to open the adapter.
    #[error("{adapter}: the driver refused the device: {reason}")]
    Refused {
        /// Its name.
        adapter: String,
        /// The driver's words.
        reason: String,
    },
    /// A buffer could not be allocated, even after the pool gave back what it could.
    #[error(
        "out of device memory: wanted {wanted} more bytes with {in_use} in use; lower --batch-size or --max-length"
    )]
    OutOfMemory {
        /// Bytes of the buffer.
        wanted: u64,
        /// Bytes held by live buffers.
        in_use: u64,
    },
    /// A tensor above what one binding can hold.
    #[error(
        "a tensor of {wanted} bytes is above this device's limit of {limit} bytes a buffer; lower --batch-size"
    )]
    BindingTooLarge {
        /// Bytes of the tensor.
        wanted: u64,
        /// Bytes of the largest binding.
        limit: u64,
    },
    /// The driver reset or lost the device.
    #[error("device lost: {reason}; last submission: {operations}")]
    Lost {
        /// The driver's words.
        reason: String,
        /// Kernels of the suspect submission with their FLOPs.
        operations: String,
    },
    /// The first NaN or infinity, under `check_numerics`.
    #[error(
        "{kernel} wrote {value} to {tensor}[{index}], expected finite numbers; lower the learning rate or look at its inputs"
    )]
    NotFinite {
        /// Stem and entry point.
        kernel: String,
        /// The binding.
        tensor: String,
        /// The first offending element.
        index: usize,
        /// NaN or an infinity.
        value: String,
    },
    /// An error that wgpu reported outside of any scope: a bug of a kernel.
    #[error("the GPU refused a command: {0}")]
    Refusal(String),
}

impl Error {
    /// Unwinds with this error as payload, for [`catch`]: operations return tensors, not results.
    pub(crate) fn throw(self) -> ! {
        panic_any(self)
    }
}

/// Runs `work`, and returns the [`Error`] that a device operation inside it raised.
///
/// # Errors
/// That error. Any other panic goes on unwinding.
pub fn catch<T>(work: impl FnOnce() -> T) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|payload| match payload.downcast::<Error>() {
        Ok(error) => *error,
        Err(payload) => resume_unwind(payload),
    })
}
