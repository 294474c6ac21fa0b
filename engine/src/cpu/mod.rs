//! The fast f32 paths of [`Device::cpu`](crate::device::Device::cpu), for kernels shaped like a matrix product
//! and for those whose plain loops cannot use vector instructions.
//!
//! Same entry points and arguments as the twins of [`crate::reference`], which stay as the judge; the
//! products run on the `gemm` crate. Results do not depend on the number of threads.

#![allow(clippy::type_complexity, reason = "a twin takes what its shader binds: slices in tuples")]

pub mod attention;
pub mod attention_backward;
pub mod attention_backward_fused;
pub mod attention_biased;
pub mod attention_relative;
pub mod attention_relative_backward;
mod attention_rows;
pub mod contrastive;
mod drop_row;
pub mod dropout;
pub mod exp;
pub mod gelu;
pub mod gelu_math;
pub mod gemm;
pub mod layer_norm;
pub mod linear_cross_entropy;
pub mod linear_sample;
pub mod matmul;
pub mod max_sim;
pub mod multiply_add;
mod relative_rows;
mod short_rows;
mod softmax_rows;
pub mod top_k;
