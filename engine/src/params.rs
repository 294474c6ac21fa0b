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

/// Uniforms of `shaders/attention_backward_fused.wgsl`.
#[rustfmt::skip]
pub mod attention_backward_fused {
    use bytemuck::{Pod, Zeroable};

    /// What every invocation of `attention_backward_fused` is told.
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

    /// What a pipeline of `attention_backward_fused` is compiled with.
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub struct Constants {
        /// ⌈D/32⌉.
        pub chunks: u32,
    }
}

/// Uniforms of `shaders/column_sums.wgsl`.
#[rustfmt::skip]
pub mod column_sums {
    use bytemuck::{Pod, Zeroable};

    /// What every invocation of `column_sums` is told.
    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
    pub struct Params {
        /// N.
        pub rows: u32,
        /// C.
        pub channels: u32,
        /// rows of one strip, ⌈N/P⌉.
        pub strip: u32,
        /// P.
        pub strips: u32,
    }
}

/// Uniforms of `shaders/matmul.wgsl`.
#[rustfmt::skip]
pub mod matmul {
    use bytemuck::{Pod, Zeroable};

    /// What every invocation of `matmul` is told.
    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
    pub struct Params {
        /// M.
        pub rows: u32,
        /// N.
        pub columns: u32,
        /// K.
        pub inner: u32,
        /// B.
        pub batches: u32,
        /// words from one row of op(A) to the next.
        pub a_row: u32,
        /// words from one column of op(A) to the next.
        pub a_inner: u32,
        /// words from one A to the next, 0 when all batches share it.
        pub a_batch: u32,
        /// words from one row of op(B) to the next.
        pub b_inner: u32,
        /// words from one column of op(B) to the next.
        pub b_column: u32,
        /// words from one B to the next, 0 when all batches share it.
        pub b_batch: u32,
        /// how much of K one split sums, a multiple of 16.
        pub chunk: u32,
        /// ⌈K / chunk⌉, at least 1.
        pub splits: u32,
        /// GELU_ERF or GELU_TANH.
        pub gelu_form: u32,
    }
}
