//! Signatures of `shaders/max_sim.wgsl`, one struct per entry point.
//!
//! @generated from the shader; run `UPDATE_KERNELS=1 cargo test -p wgrad-codegen`. Do not edit.

#![cfg_attr(rustfmt, rustfmt::skip)]

use crate::device::{Binding, Buffer, Kernel};
pub use crate::params::max_sim::{Params};

/// The WGSL text, shared functions first.
pub const SOURCE: &str = concat!(
    include_str!("../../../shaders/max_sim.wgsl"),
);

/// Entry point `forward`: reads similarities, document_mask; writes maxima, positions.
pub struct Forward<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[block]`
    pub similarities: &'a Buffer,
    /// `[N, T]`  0 = hidden
    pub document_mask: &'a Buffer,
    /// `[block without T]`
    pub maxima: &'a mut Buffer,
    /// `[M, N/B, S]`  a, or NONE; `[block without T]` if not kept
    pub positions: &'a mut Buffer,
}

impl Kernel for Forward<'_> {
    const STEM: &'static str = "max_sim";
    const ENTRY: &'static str = "forward";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [64, 1, 1];
    const USES_PARAMS: bool = true;

    fn params(&self) -> &[u8] {
        bytemuck::bytes_of(&self.params)
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "similarities", slot: 1, buffer: self.similarities, float: true, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "document_mask", slot: 3, buffer: self.document_mask, float: false, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "maxima", slot: 4, buffer: &*self.maxima, float: true, read_only: false, written: true, element_bytes: 4, any_float: false },
            Binding { name: "positions", slot: 5, buffer: &*self.positions, float: false, read_only: false, written: true, element_bytes: 4, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let similarities = self.similarities.read();
        let document_mask = self.document_mask.read();
        let mut maxima = self.maxima.write();
        let mut positions = self.positions.write();
        crate::cpu::max_sim::forward(&self.params, (similarities.f32(), document_mask.u32()), (maxima.f32_mut(), positions.u32_mut()));
    }
}

/// Entry point `score`: reads query_mask, maxima; writes scores.
pub struct Score<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[M, S]`  0 = does not count
    pub query_mask: &'a Buffer,
    /// `[block without T]`
    pub maxima: &'a Buffer,
    /// `[M, N/B]`
    pub scores: &'a mut Buffer,
}

impl Kernel for Score<'_> {
    const STEM: &'static str = "max_sim";
    const ENTRY: &'static str = "score";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [64, 1, 1];
    const USES_PARAMS: bool = true;

    fn params(&self) -> &[u8] {
        bytemuck::bytes_of(&self.params)
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "query_mask", slot: 2, buffer: self.query_mask, float: false, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "maxima", slot: 4, buffer: self.maxima, float: true, read_only: false, written: false, element_bytes: 4, any_float: false },
            Binding { name: "scores", slot: 6, buffer: &*self.scores, float: true, read_only: false, written: true, element_bytes: 4, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let query_mask = self.query_mask.read();
        let maxima = self.maxima.read();
        let mut scores = self.scores.write();
        crate::reference::max_sim::score::<f32>(&self.params, (query_mask.u32(), maxima.f32()), scores.f32_mut());
    }
}

/// Entry point `backward_queries`: reads query_mask, positions, dscores, document_vectors; writes dqueries.
pub struct BackwardQueries<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[M, S]`  0 = does not count
    pub query_mask: &'a Buffer,
    /// `[M, N/B, S]`  a, or NONE; `[block without T]` if not kept
    pub positions: &'a Buffer,
    /// `[M, N/B]`
    pub dscores: &'a Buffer,
    /// `[N, T, D]`
    pub document_vectors: &'a Buffer,
    /// `[M, S, D]`
    pub dqueries: &'a mut Buffer,
}

impl Kernel for BackwardQueries<'_> {
    const STEM: &'static str = "max_sim";
    const ENTRY: &'static str = "backward_queries";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [64, 1, 1];
    const USES_PARAMS: bool = true;

    fn params(&self) -> &[u8] {
        bytemuck::bytes_of(&self.params)
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "query_mask", slot: 2, buffer: self.query_mask, float: false, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "positions", slot: 5, buffer: self.positions, float: false, read_only: false, written: false, element_bytes: 4, any_float: false },
            Binding { name: "dscores", slot: 7, buffer: self.dscores, float: true, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "document_vectors", slot: 9, buffer: self.document_vectors, float: true, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "dqueries", slot: 10, buffer: &*self.dqueries, float: true, read_only: false, written: true, element_bytes: 4, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let query_mask = self.query_mask.read();
        let positions = self.positions.read();
        let dscores = self.dscores.read();
        let document_vectors = self.document_vectors.read();
        let mut dqueries = self.dqueries.write();
        crate::reference::max_sim::backward_queries::<f32>(&self.params, (query_mask.u32(), positions.u32(), dscores.f32(), document_vectors.f32()), dqueries.f32_mut());
    }
}

/// Entry point `backward_documents`: reads query_mask, positions, dscores, query_vectors; writes ddocuments.
pub struct BackwardDocuments<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[M, S]`  0 = does not count
    pub query_mask: &'a Buffer,
    /// `[M, N/B, S]`  a, or NONE; `[block without T]` if not kept
    pub positions: &'a Buffer,
    /// `[M, N/B]`
    pub dscores: &'a Buffer,
    /// `[M, S, D]`
    pub query_vectors: &'a Buffer,
    /// `[N, T, D]`
    pub ddocuments: &'a mut Buffer,
}

impl Kernel for BackwardDocuments<'_> {
    const STEM: &'static str = "max_sim";
    const ENTRY: &'static str = "backward_documents";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [64, 1, 1];
    const USES_PARAMS: bool = true;

    fn params(&self) -> &[u8] {
        bytemuck::bytes_of(&self.params)
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "query_mask", slot: 2, buffer: self.query_mask, float: false, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "positions", slot: 5, buffer: self.positions, float: false, read_only: false, written: false, element_bytes: 4, any_float: false },
            Binding { name: "dscores", slot: 7, buffer: self.dscores, float: true, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "query_vectors", slot: 8, buffer: self.query_vectors, float: true, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "ddocuments", slot: 11, buffer: &*self.ddocuments, float: true, read_only: false, written: true, element_bytes: 4, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let query_mask = self.query_mask.read();
        let positions = self.positions.read();
        let dscores = self.dscores.read();
        let query_vectors = self.query_vectors.read();
        let mut ddocuments = self.ddocuments.write();
        crate::reference::max_sim::backward_documents::<f32>(&self.params, (query_mask.u32(), positions.u32(), dscores.f32(), query_vectors.f32()), ddocuments.f32_mut());
    }
}
