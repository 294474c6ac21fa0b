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

/// Uniforms of `shaders/attention.wgsl`.
#[rustfmt::skip]
pub mod attention {
    use bytemuck::{Pod, Zeroable};

    /// What every invocation of `attention` is told.
    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
    pub struct Params {
        /// B.
        pub batch: u32,
        /// T.
        pub queries: u32,
        /// S.
        pub keys: u32,
        /// A.
        pub heads: u32,
        /// D.
        pub width: u32,
        /// usually 1/√D.
        pub scale: f32,
        /// 1: row i sees columns j ≤ i + S − T.
        pub causal: u32,
        /// 1: item b sees columns j < lengths[b].
        pub has_lengths: u32,
        /// 1: row i sees column j if bit j of its row of bits is set.
        pub has_bits: u32,
        /// a word below it drops the weight; 0: no dropout.
        pub threshold: u32,
        /// 1/(1 − probability).
        pub keep_scale: f32,
        /// which dropout of the model.
        pub site: u32,
        /// number of row 0 of item 0 in the counters of dropout.
        pub first_row: u32,
    }

    /// What a pipeline of `attention` is compiled with.
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub struct Constants {
        /// ⌈D/32⌉.
        pub chunks: u32,
    }
}

/// Uniforms of `shaders/attention_backward.wgsl`.
#[rustfmt::skip]
pub mod attention_backward {
    use bytemuck::{Pod, Zeroable};

    /// What every invocation of `attention_backward` is told.
    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
    pub struct Params {
        /// B.
        pub batch: u32,
        /// T.
        pub queries: u32,
        /// S.
        pub keys: u32,
        /// A.
        pub heads: u32,
        /// D.
        pub width: u32,
        /// usually 1/√D.
        pub scale: f32,
        /// 1: row i sees columns j ≤ i + S − T.
        pub causal: u32,
        /// 1: item b sees columns j < lengths[b].
        pub has_lengths: u32,
        /// 1: row i sees column j if bit j of its row of bits is set.
        pub has_bits: u32,
        /// a word below it drops the weight; 0: no dropout.
        pub threshold: u32,
        /// 1/(1 − probability).
        pub keep_scale: f32,
        /// which dropout of the model.
        pub site: u32,
        /// number of row 0 of item 0 in the counters of dropout.
        pub first_row: u32,
    }

    /// What a pipeline of `attention_backward` is compiled with.
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub struct Constants {
        /// ⌈D/32⌉.
        pub chunks: u32,
    }
}
