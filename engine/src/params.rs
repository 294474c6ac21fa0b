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

/// Uniforms of `shaders/embedding.wgsl`.
#[rustfmt::skip]
pub mod embedding {
    use bytemuck::{Pod, Zeroable};

    /// What every invocation of `embedding` is told.
    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
    pub struct Params {
        /// N.
        pub rows: u32,
        /// H.
        pub channels: u32,
        /// V.
        pub table_rows: u32,
        /// P.
        pub pieces: u32,
        /// positions of one piece.
        pub piece: u32,
    }
}

/// Uniforms of `shaders/gather_rows.wgsl`.
#[rustfmt::skip]
pub mod gather_rows {
    use bytemuck::{Pod, Zeroable};

    /// What every invocation of `gather_rows` is told.
    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
    pub struct Params {
        /// N.
        pub rows_in: u32,
        /// R.
        pub rows_out: u32,
        /// H.
        pub channels: u32,
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

/// Uniforms of `shaders/replace_rows.wgsl`.
#[rustfmt::skip]
pub mod replace_rows {
    use bytemuck::{Pod, Zeroable};

    /// What every invocation of `replace_rows` is told.
    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
    pub struct Params {
        /// N.
        pub rows_in: u32,
        /// R.
        pub rows_replaced: u32,
        /// H.
        pub channels: u32,
    }
}
