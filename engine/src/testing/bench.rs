//! A measurable case of an op, named by its use; the benches and `wgrad bench kernels` run the same ones.

use crate::device::Device;

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
