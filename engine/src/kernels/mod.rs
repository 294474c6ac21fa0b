//! The signature of every kernel in Rust, as its shader declares it.
//!
//! @generated from shaders/*.wgsl; run `UPDATE_KERNELS=1 cargo test -p wgrad-codegen`. Do not edit.

pub mod add;
pub mod column_sums;
pub mod contrastive;
pub mod fused_loss;
pub mod l2_normalize;
pub mod linear_cross_entropy;
pub mod matmul;
pub mod matmul_software;
pub mod matmul_vec4;
pub mod top_k;
