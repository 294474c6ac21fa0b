//! The fast f32 paths of [`Device::cpu`](crate::device::Device::cpu), for kernels shaped like a matrix product
//! and for those whose plain loops cannot use vector instructions.
//!
//! Same entry points and arguments as the twins of [`crate::reference`], which stay as the judge; the
//! products run on the `gemm` crate. Results do not depend on the number of threads.

#![allow(
    clippy::type_complexity,
    reason = "a twin takes one tuple of what its entry point reads and one of what it writes"
)]

pub mod dropout;
pub mod gelu;
pub mod gelu_math;
pub mod gemm;
pub mod layer_norm;
pub mod matmul;
