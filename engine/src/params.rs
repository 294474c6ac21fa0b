//! The uniforms and constants of every shader, one module a stem.
//!
//! @generated from shaders/*.wgsl; run `UPDATE_KERNELS=1 cargo test -p wgrad-codegen`. Do not edit.

/// Uniforms of `shaders/add.wgsl`.
#[rustfmt::skip]
pub mod add {
    use bytemuck::{Pod, Zeroable};

    /// What every invocation of `add` is told.
    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
    pub struct Params {
        /// ⌈N/4⌉.
        pub quads: u32,
    }
}
