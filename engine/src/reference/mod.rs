//! The plain meaning of every kernel: the same entry points as its shader, in plain loops over slices.
//!
//! Generic over [`Real`]: in f64 a twin is the judge of every device, in f32 it is [`Device::cpu`](crate::device::Device::cpu)
//! (but for the stems of [`crate::cpu`], where a matrix product library does the heavy work).
//! A twin takes the shader's `Params`, then what the entry point reads, then what it writes, in binding order.

pub mod add;
pub mod attention;
pub mod attention_backward;
pub mod attention_backward_fused;
pub mod column_sums;
pub mod gelu_math;
pub mod matmul;
mod real;

pub use real::Real;
