//! The uniforms and constants of every shader, one module a stem.
//!
//! @generated from shaders/*.wgsl; run `UPDATE_KERNELS=1 cargo test -p wgrad-codegen`. Do not edit.

/// Uniforms of `shaders/activation.wgsl`.
#[rustfmt::skip]
pub mod activation {
    use bytemuck::{Pod, Zeroable};

    /// What every invocation of `activation` is told.
    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
    pub struct Params {
        /// n.
        pub elements: u32,
    }
}

/// Uniforms of `shaders/adamw.wgsl`.
#[rustfmt::skip]
pub mod adamw {
    use bytemuck::{Pod, Zeroable};

    /// What every invocation of `adamw` is told.
    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
    pub struct Params {
        /// of this arena, a multiple of 4.
        pub words: u32,
        /// β₂.
        pub beta2: f32,
        /// 1 − β₁, rounded once: 1 − 0.999 in f32 would be off by 5e-5.
        pub gain1: f32,
        /// 1 − β₂.
        pub gain2: f32,
        /// ε.
        pub epsilon: f32,
    }
}

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
        /// 1: item b sees columns j < lengths`[b]`.
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
        /// 1: item b sees columns j < lengths`[b]`.
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
        /// 1: item b sees columns j < lengths`[b]`.
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

/// Uniforms of `shaders/attention_biased.wgsl`.
#[rustfmt::skip]
pub mod attention_biased {
    use bytemuck::{Pod, Zeroable};

    /// What every invocation of `attention_biased` is told.
    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
    pub struct Params {
        /// T.
        pub queries: u32,
        /// S.
        pub keys: u32,
        /// A.
        pub heads: u32,
        /// 1 or B, matrices of β along the batch.
        pub bias_items: u32,
        /// 1 or A, matrices of β along the heads.
        pub bias_heads: u32,
        /// 1/√D for ALiBi, 1 for T5.
        pub scale: f32,
        /// 1: row i sees columns j ≤ i + S − T.
        pub causal: u32,
        /// 1: item b sees columns j < lengths`[b]`.
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
        /// number of the chunk's head 0.
        pub first_head: u32,
        /// heads of the chunk.
        pub some_heads: u32,
        /// number of the chunk's item 0.
        pub first_item: u32,
        /// items of the chunk.
        pub some_items: u32,
    }

    /// What a pipeline of `attention_biased` is compiled with.
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub struct Constants {
        /// a power of two, at most LANES.
        pub row_lanes: u32,
    }
}

/// Uniforms of `shaders/attention_relative.wgsl`.
#[rustfmt::skip]
pub mod attention_relative {
    use bytemuck::{Pod, Zeroable};

    /// What every invocation of `attention_relative` is told.
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
        /// Q + S.
        pub distances: u32,
        /// 1/√D.
        pub scale: f32,
        /// 1: row i sees columns j ≤ t_i + S − Q.
        pub causal: u32,
        /// 1: item b sees columns j < lengths`[b]`.
        pub has_lengths: u32,
        /// 1: row i sees column j if bit j of its row of bits is set.
        pub has_bits: u32,
        /// 1: t_i = places`[b, i]`; 0: t_i = i.
        pub has_places: u32,
        /// 1: scores have the term e·g.
        pub has_segments: u32,
        /// a word below it drops the weight; 0: no dropout.
        pub threshold: u32,
        /// 1/(1 − probability).
        pub keep_scale: f32,
        /// which dropout of the model.
        pub site: u32,
        /// number of row 0 of item 0 in the counters of dropout.
        pub first_row: u32,
        /// for the software variant: head at which a chunk begins.
        pub first_head: u32,
        /// likewise: item at which it begins.
        pub first_item: u32,
        /// likewise: how many items it has of each head.
        pub some_items: u32,
        /// likewise: query at which it begins.
        pub first_query: u32,
        /// likewise: how many it has of each item.
        pub some_queries: u32,
        /// likewise: number of the first row of r that these may meet.
        pub first_distance: u32,
        /// likewise: how many there are from there on.
        pub some_distances: u32,
    }

    /// What a pipeline of `attention_relative` is compiled with.
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub struct Constants {
        /// ⌈D/32⌉.
        pub chunks: u32,
    }
}

/// Uniforms of `shaders/attention_relative_backward.wgsl`.
#[rustfmt::skip]
pub mod attention_relative_backward {
    use bytemuck::{Pod, Zeroable};

    /// What every invocation of `attention_relative_backward` is told.
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
        /// Q + S.
        pub distances: u32,
        /// 1/√D.
        pub scale: f32,
        /// 1: row i sees columns j ≤ t_i + S − Q.
        pub causal: u32,
        /// 1: item b sees columns j < lengths`[b]`.
        pub has_lengths: u32,
        /// 1: row i sees column j if bit j of its row of bits is set.
        pub has_bits: u32,
        /// 1: t_i = places`[b, i]`; 0: t_i = i.
        pub has_places: u32,
        /// 1: scores have the term e·g.
        pub has_segments: u32,
        /// a word below it drops the weight; 0: no dropout.
        pub threshold: u32,
        /// 1/(1 − probability).
        pub keep_scale: f32,
        /// which dropout of the model.
        pub site: u32,
        /// number of row 0 of item 0 in the counters of dropout.
        pub first_row: u32,
        /// for the software variant: head at which a chunk begins.
        pub first_head: u32,
        /// likewise: item at which it begins.
        pub first_item: u32,
        /// likewise: how many items it has of each head.
        pub some_items: u32,
        /// likewise: query at which it begins.
        pub first_query: u32,
        /// likewise: how many it has of each item.
        pub some_queries: u32,
        /// likewise: number of the first row of r that these may meet.
        pub first_distance: u32,
        /// likewise: how many there are from there on.
        pub some_distances: u32,
    }

    /// What a pipeline of `attention_relative_backward` is compiled with.
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub struct Constants {
        /// ⌈D/32⌉.
        pub chunks: u32,
    }
}

/// Uniforms of `shaders/cast.wgsl`.
#[rustfmt::skip]
pub mod cast {
    use bytemuck::{Pod, Zeroable};

    /// What every invocation of `cast` is told.
    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
    pub struct Params {
        /// N.
        pub elements: u32,
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

/// Uniforms of `shaders/concat.wgsl`.
#[rustfmt::skip]
pub mod concat {
    use bytemuck::{Pod, Zeroable};

    /// What every invocation of `concat` is told.
    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
    pub struct Params {
        /// O.
        pub outer: u32,
        /// P.
        pub part_words: u32,
        /// W.
        pub whole_words: u32,
        /// F.
        pub first: u32,
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
        /// C, queries of this chunk; all of them in column_losses.
        pub rows: u32,
        /// N.
        pub passages: u32,
        /// S, queries that one lane of column_partials walks.
        pub strip: u32,
        /// 1 if column_stats hold the chunks before this one.
        pub continues: u32,
        /// 1 if duplicates of the target are hidden, 0 if there are no ids.
        pub has_ids: u32,
        /// 1 if drows is the gradient of Λ, 0 if that of ℓ.
        pub of_log_sums: u32,
        /// 1/τ.
        pub inverse_temperature: f32,
    }

    /// What a pipeline of `contrastive` is compiled with.
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub struct Constants {
        /// a power of two, at most LANES.
        pub row_lanes: u32,
    }
}

/// Uniforms of `shaders/dropout.wgsl`.
#[rustfmt::skip]
pub mod dropout {
    use bytemuck::{Pod, Zeroable};

    /// What every invocation of `dropout` is told.
    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
    pub struct Params {
        /// N.
        pub rows: u32,
        /// C.
        pub channels: u32,
        /// which dropout of the model.
        pub site: u32,
        /// of this batch in the global batch.
        pub first_row: u32,
        /// a random word below it drops.
        pub threshold: u32,
        /// 1/(1 − p).
        pub keep_scale: f32,
    }
}

/// Uniforms of `shaders/elementwise.wgsl`.
#[rustfmt::skip]
pub mod elementwise {
    use bytemuck::{Pod, Zeroable};

    /// What every invocation of `elementwise` is told.
    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
    pub struct Params {
        /// n.
        pub elements: u32,
        /// f.
        pub factor: f32,
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

/// Uniforms of `shaders/gelu.wgsl`.
#[rustfmt::skip]
pub mod gelu {
    use bytemuck::{Pod, Zeroable};

    /// What every invocation of `gelu` is told.
    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
    pub struct Params {
        /// n.
        pub elements: u32,
        /// 0 erf, 1 tanh.
        pub form: u32,
    }
}

/// Uniforms of `shaders/head_major.wgsl`.
#[rustfmt::skip]
pub mod head_major {
    use bytemuck::{Pod, Zeroable};

    /// What every invocation of `head_major` is told.
    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
    pub struct Params {
        /// T.
        pub tokens: u32,
        /// A.
        pub heads: u32,
        /// D.
        pub width: u32,
        /// a of head 0 of the chunk.
        pub first_head: u32,
        /// b of item 0 of the chunk.
        pub first_item: u32,
        /// E.
        pub some_items: u32,
        /// t of token 0 of the chunk.
        pub first_token: u32,
        /// U.
        pub some_tokens: u32,
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

/// Uniforms of `shaders/lamb.wgsl`.
#[rustfmt::skip]
pub mod lamb {
    use bytemuck::{Pod, Zeroable};

    /// What every invocation of `lamb` is told.
    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
    pub struct Params {
        /// K.
        pub chunks: u32,
        /// S.
        pub tensors: u32,
        /// β₂.
        pub beta2: f32,
        /// 1 − β₁, rounded once.
        pub gain1: f32,
        /// 1 − β₂.
        pub gain2: f32,
        /// ε.
        pub epsilon: f32,
        /// λ.
        pub decay: f32,
    }
}

/// Uniforms of `shaders/layer_norm.wgsl`.
#[rustfmt::skip]
pub mod layer_norm {
    use bytemuck::{Pod, Zeroable};

    /// What every invocation of `layer_norm` is told.
    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
    pub struct Params {
        /// N.
        pub rows: u32,
        /// C.
        pub channels: u32,
        /// ε, added to the variance.
        pub epsilon: f32,
        /// 1 if `residual` is added, 0 if it is a stand-in.
        pub has_residual: u32,
        /// which dropout of the model.
        pub site: u32,
        /// of this batch in the global batch.
        pub first_row: u32,
        /// a random word below it drops; 0 drops nothing.
        pub threshold: u32,
        /// 1/(1 − p).
        pub keep_scale: f32,
        /// rows of one strip of backward_params.
        pub strip_rows: u32,
        /// S = ⌈N / strip_rows⌉.
        pub strips: u32,
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
        /// 0 if all rows have one weight w, 1 if each has its own.
        pub weights: u32,
        /// ε, the share of the target that is spread over all classes.
        pub smoothing: f32,
    }
}

/// Uniforms of `shaders/linear_sample.wgsl`.
#[rustfmt::skip]
pub mod linear_sample {
    use bytemuck::{Pod, Zeroable};

    /// What every invocation of `linear_sample` is told.
    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
    pub struct Params {
        /// C, rows of this chunk.
        pub rows: u32,
        /// V.
        pub vocabulary: u32,
        /// which draw of the model.
        pub site: u32,
        /// global number of the chunk's first row.
        pub first_row: u32,
        /// 1/τ.
        pub inverse_temperature: f32,
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

/// Uniforms of `shaders/max_pool.wgsl`.
#[rustfmt::skip]
pub mod max_pool {
    use bytemuck::{Pod, Zeroable};

    /// What every invocation of `max_pool` is told.
    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
    pub struct Params {
        /// B.
        pub texts: u32,
        /// T.
        pub tokens: u32,
        /// H.
        pub channels: u32,
    }
}

/// Uniforms of `shaders/max_sim.wgsl`.
#[rustfmt::skip]
pub mod max_sim {
    use bytemuck::{Pod, Zeroable};

    /// What every invocation of `max_sim` is told.
    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
    pub struct Params {
        /// of the block.
        pub batches: u32,
        /// of a batch in the block.
        pub queries: u32,
        /// of a batch in the block.
        pub documents: u32,
        /// of the block.
        pub first_batch: u32,
        /// of the block in each batch.
        pub first_query: u32,
        /// of the block in each batch.
        pub first_document: u32,
        /// M / B.
        pub batch_queries: u32,
        /// N / B.
        pub batch_documents: u32,
        /// S.
        pub query_tokens: u32,
        /// T.
        pub document_tokens: u32,
        /// D.
        pub channels: u32,
        /// 0: all query tokens count.
        pub has_query_mask: u32,
        /// 0: all document tokens are visible.
        pub has_document_mask: u32,
        /// 0: those of a block are forgotten with it.
        pub keeps_positions: u32,
    }
}

/// Uniforms of `shaders/mean_pool.wgsl`.
#[rustfmt::skip]
pub mod mean_pool {
    use bytemuck::{Pod, Zeroable};

    /// What every invocation of `mean_pool` is told.
    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
    pub struct Params {
        /// B.
        pub texts: u32,
        /// T.
        pub tokens: u32,
        /// H.
        pub channels: u32,
    }
}

/// Uniforms of `shaders/multiply_add.wgsl`.
#[rustfmt::skip]
pub mod multiply_add {
    use bytemuck::{Pod, Zeroable};

    /// What every invocation of `multiply_add` is told.
    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
    pub struct Params {
        /// n.
        pub elements: u32,
        /// R.
        pub rounds: u32,
        /// f.
        pub factor: f32,
        /// s.
        pub shift: f32,
    }
}

/// Uniforms of `shaders/reduce.wgsl`.
#[rustfmt::skip]
pub mod reduce {
    use bytemuck::{Pod, Zeroable};

    /// What every invocation of `reduce` is told.
    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
    pub struct Params {
        /// n.
        pub elements: u32,
        /// P.
        pub partials: u32,
        /// f.
        pub factor: f32,
    }
}

/// Uniforms of `shaders/relative_segments.wgsl`.
#[rustfmt::skip]
pub mod relative_segments {
    use bytemuck::{Pod, Zeroable};

    /// What every invocation of `relative_segments` is told.
    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
    pub struct Params {
        /// B.
        pub batch: u32,
        /// T.
        pub queries: u32,
        /// A.
        pub heads: u32,
        /// D.
        pub width: u32,
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

/// Uniforms of `shaders/softmax.wgsl`.
#[rustfmt::skip]
pub mod softmax {
    use bytemuck::{Pod, Zeroable};

    /// What every invocation of `softmax` is told.
    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
    pub struct Params {
        /// N.
        pub rows: u32,
        /// C.
        pub channels: u32,
    }

    /// What a pipeline of `softmax` is compiled with.
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub struct Constants {
        /// a power of two, at most LANES.
        pub row_lanes: u32,
    }
}

/// Uniforms of `shaders/sum_of_squares.wgsl`.
#[rustfmt::skip]
pub mod sum_of_squares {
    use bytemuck::{Pod, Zeroable};

    /// What every invocation of `sum_of_squares` is told.
    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
    pub struct Params {
        /// of this arena, a multiple of 4.
        pub words: u32,
        /// where this arena's partial sums begin.
        pub first_partial: u32,
        /// P, of all arenas.
        pub partials: u32,
        /// c, no clipping if 0.
        pub max_norm: f32,
        /// n, S stays as it is if 0.
        pub growth_steps: u32,
    }
}

/// Uniforms of `shaders/token_max_pool.wgsl`.
#[rustfmt::skip]
pub mod token_max_pool {
    use bytemuck::{Pod, Zeroable};

    /// What every invocation of `token_max_pool` is told.
    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
    pub struct Params {
        /// B.
        pub documents: u32,
        /// T.
        pub tokens: u32,
        /// H.
        pub channels: u32,
        /// V.
        pub vocabulary: u32,
        /// row of B·T that the chunk begins with.
        pub first: u32,
        /// C, rows of the chunk.
        pub rows: u32,
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
