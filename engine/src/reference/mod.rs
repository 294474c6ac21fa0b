//! The plain meaning of every kernel: the same entry points as its shader, in plain loops over slices.
//!
//! Generic over [`Real`]: in f64 a twin is the judge of every device, in f32 it is [`Device::cpu`](crate::device::Device::cpu)
//! (but for the stems of [`crate::cpu`], where a matrix product library does the heavy work).
//! A twin takes the shader's `Params`, then what the entry point reads, then what it writes, in binding order.

#![allow(clippy::type_complexity, reason = "a twin takes what its shader binds: slices in tuples")]

pub mod activation;
pub mod adamw;
pub mod add;
pub mod attention;
pub mod attention_backward;
pub mod attention_backward_fused;
pub mod attention_biased;
pub mod attention_relative;
pub mod attention_relative_backward;
pub mod cast;
pub mod column_sums;
pub mod concat;
pub mod contrastive;
pub mod dropout;
pub mod elementwise;
pub mod embedding;
pub mod fused_loss;
pub mod gather_rows;
pub mod gelu;
pub mod gelu_math;
pub mod head_major;
pub mod l2_normalize;
pub mod lamb;
pub(crate) mod lanes;
pub mod layer_norm;
pub mod linear_cross_entropy;
pub mod linear_sample;
pub mod matmul;
pub mod max_pool;
pub mod max_sim;
pub mod mean_pool;
pub mod multiply_add;
mod real;
pub mod reduce;
pub mod relative_segments;
pub mod replace_rows;
pub(crate) mod short_rows;
pub mod softmax;
pub mod sum_of_squares;
pub mod token_max_pool;
pub mod top_k;

pub use real::Real;
