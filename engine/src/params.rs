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

/// Uniforms of `shaders/contrastive.wgsl`.
#[rustfmt::skip]
pub mod contrastive {
    use bytemuck::{Pod, Zeroable};

    /// What every invocation of `contrastive` is told.
    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
    pub struct Params {
        /// C, queries of this chunk.
        pub rows: u32,
        /// N.
        pub passages: u32,
        /// 1 if duplicates of the target are hidden, 0 if there are no ids.
        pub has_ids: u32,
        /// 1/τ.
        pub inverse_temperature: f32,
    }
}

/// Uniforms of `shaders/fused_loss.wgsl`.
#[rustfmt::skip]
pub mod fused_loss {
    use bytemuck::{Pod, Zeroable};

    /// What every invocation of `fused_loss` is told.
    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
    pub struct Params {
        /// R.
        pub rows: u32,
        /// ⌈E / 4⌉.
        pub quads: u32,
    }
}

/// Uniforms of `shaders/l2_normalize.wgsl`.
#[rustfmt::skip]
pub mod l2_normalize {
    use bytemuck::{Pod, Zeroable};

    /// What every invocation of `l2_normalize` is told.
    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
    pub struct Params {
        /// N.
        pub rows: u32,
        /// C.
        pub channels: u32,
        /// ε, smallest length divided by.
        pub epsilon: f32,
    }
}

/// Uniforms of `shaders/linear_cross_entropy.wgsl`.
#[rustfmt::skip]
pub mod linear_cross_entropy {
    use bytemuck::{Pod, Zeroable};

    /// What every invocation of `linear_cross_entropy` is told.
    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
    pub struct Params {
        /// C, rows of this chunk.
        pub rows: u32,
        /// V.
        pub vocabulary: u32,
        /// 1 if db already holds the sum over earlier chunks, 0 for the first.
        pub accumulates: u32,
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

/// Uniforms of `shaders/top_k.wgsl`.
#[rustfmt::skip]
pub mod top_k {
    use bytemuck::{Pod, Zeroable};

    /// What every invocation of `top_k` is told.
    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
    pub struct Params {
        /// N.
        pub rows: u32,
        /// C.
        pub columns: u32,
        /// how many to keep.
        pub k: u32,
    }
}
