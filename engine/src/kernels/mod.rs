//! The signature of every kernel in Rust, as its shader declares it.
//!
//! @generated from shaders/*.wgsl; run `UPDATE_KERNELS=1 cargo test -p wgrad-codegen`. Do not edit.

pub mod add;
pub mod attention;
pub mod attention_backward;
pub mod attention_backward_fused;
pub mod column_sums;
pub mod matmul;
pub mod matmul_software;
pub mod matmul_vec4;
