//! Where kernels run: a wgpu adapter, or the CPU through the twins.
//!
//! The only module that names `wgpu` and the only one with `unsafe`. A [`Device`] hands out [`Buffer`]s from
//! its pool, records kernels into batches and reads results back; the caller sees eager operations.

mod adapter;
mod buffer;
mod error;
mod format;
mod fragments;
mod gpu;
mod handle;
mod kernel;
mod pipeline;
mod pool;
mod profile;
mod submission;

pub use adapter::{AdapterSummary, Selector, adapters, quiet_drivers};
pub use buffer::{Buffer, ReadGuard, WriteGuard};
pub use error::{Error, catch};
pub use format::Format;
pub use fragments::{Fragments, Trial};
pub use handle::{Device, Limits, Options, Readback};
pub use kernel::{Binding, Kernel, Launch};
pub use pool::MemoryStats;
pub use profile::{Event, Profile, ProfileRow};
