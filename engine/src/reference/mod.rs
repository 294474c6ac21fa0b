//! The plain meaning of every kernel: the same entry points as its shader, in plain loops over slices.
//!
//! Generic over [`Real`]: in f64 a twin is the judge of every device, in f32 it is [`Device::cpu`](crate::device::Device::cpu)
//! (but for the stems of [`crate::cpu`], where a matrix product library does the heavy work).
//! A twin takes the shader's `Params`, then what the entry point reads, then what it writes, in binding order.

pub mod add;
pub mod column_sums;
pub mod contrastive;
pub mod fused_loss;
pub mod gelu_math;
pub mod l2_normalize;
pub mod linear_cross_entropy;
pub mod matmul;
pub mod top_k;

mod real;

pub use real::Real;
