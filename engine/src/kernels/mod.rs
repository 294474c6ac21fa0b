//! The signature of every kernel in Rust, as its shader declares it.
//!
//! @generated from shaders/*.wgsl; run `UPDATE_KERNELS=1 cargo test -p wgrad-codegen`. Do not edit.

pub mod activation;
pub mod adamw;
pub mod add;
pub mod attention;
pub mod attention_backward;
pub mod attention_backward_fused;
pub mod attention_backward_software;
pub mod attention_backward_software_fused;
pub mod attention_biased;
pub mod attention_relative;
pub mod attention_software;
pub mod cast;
pub mod column_sums;
pub mod concat;
pub mod concat_vec4;
pub mod contrastive;
pub mod dropout;
pub mod elementwise;
pub mod embedding;
pub mod fused_loss;
pub mod gather_rows;
pub mod gelu;
pub mod head_major;
pub mod l2_normalize;
pub mod l2_normalize_rows;
pub mod lamb;
pub mod layer_norm;
pub mod layer_norm_rows;
pub mod layer_norm_vec4;
pub mod linear_cross_entropy;
pub mod linear_sample;
pub mod matmul;
pub mod matmul_cooperative;
pub mod matmul_software;
pub mod matmul_vec4;
pub mod max_sim;
pub mod mean_pool;
pub mod reduce;
pub mod relative_segments;
pub mod replace_rows;
pub mod softmax;
pub mod sum_of_squares;
pub mod token_max_pool;
pub mod top_k;
