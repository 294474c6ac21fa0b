//! Signatures of `shaders/attention_relative_backward_fused.wgsl`, one struct per entry point.
//!
//! @generated from the shader; run `UPDATE_KERNELS=1 cargo test -p wgrad-codegen`. Do not edit.

#![cfg_attr(rustfmt, rustfmt::skip)]

use crate::device::{Binding, Buffer, Kernel};
pub use crate::params::attention_relative_backward::{Constants, Params};

/// The WGSL text, shared functions first.
pub const SOURCE: &str = concat!(
    include_str!("../../../shaders/shared/combine.wgsl"),
    include_str!("../../../shaders/shared/attention_place.wgsl"),
    include_str!("../../../shaders/shared/relative_notes.wgsl"),
    include_str!("../../../shaders/shared/relative_tile.wgsl"),
    include_str!("../../../shaders/shared/relative_sums.wgsl"),
    include_str!("../../../shaders/shared/relative_walk.wgsl"),
    include_str!("../../../shaders/shared/philox.wgsl"),
    include_str!("../../../shaders/attention_relative_backward_fused.wgsl"),
);

/// Entry point `backward`: reads q, k, v, table, dy, notes; writes dq, sigma, dk, dv, dtable, dbias.
pub struct Backward<'a> {
    /// Its uniforms.
    pub params: Params,
    /// What its pipeline is compiled with.
    pub constants: Constants,
    /// `[B, T, A, D]`
    pub q: &'a Buffer,
    /// `[B, S, A, D]`
    pub k: &'a Buffer,
    /// `[B, S, A, D]`
    pub v: &'a Buffer,
    /// `[Q + S, A, D]`  r
    pub table: &'a Buffer,
    /// `[B, T, A, D]`
    pub dy: &'a Buffer,
    /// those that backward_notes packs
    pub notes: &'a Buffer,
    /// `[B, T, A, D]`  without the segments' part
    pub dq: &'a mut Buffer,
    /// `[B, T, A]`  σ
    pub sigma: &'a mut Buffer,
    /// `[B, S, A, D]`
    pub dk: &'a mut Buffer,
    /// `[B, S, A, D]`
    pub dv: &'a mut Buffer,
    /// `[B, Q + S, A, D]`  dr of each item
    pub dtable: &'a mut Buffer,
    /// `[B, ⌈(Q + S)/64⌉, A, D]`  dw, of which only the sum over 64s counts
    pub dbias: &'a mut Buffer,
}

impl Kernel for Backward<'_> {
    const STEM: &'static str = "attention_relative_backward_fused";
    const ENTRY: &'static str = "backward";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [128, 1, 1];
    const USES_PARAMS: bool = true;

    fn params(&self) -> &[u8] {
        bytemuck::bytes_of(&self.params)
    }

    fn constants(&self) -> Vec<(&'static str, f64)> {
        vec![
            ("CHUNKS", f64::from(self.constants.chunks)),
        ]
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "q", slot: 1, buffer: self.q, float: true, read_only: true, written: false, element_bytes: 16, any_float: true },
            Binding { name: "k", slot: 2, buffer: self.k, float: true, read_only: true, written: false, element_bytes: 16, any_float: true },
            Binding { name: "v", slot: 3, buffer: self.v, float: true, read_only: true, written: false, element_bytes: 16, any_float: true },
            Binding { name: "table", slot: 4, buffer: self.table, float: true, read_only: true, written: false, element_bytes: 16, any_float: false },
            Binding { name: "dy", slot: 8, buffer: self.dy, float: true, read_only: true, written: false, element_bytes: 16, any_float: true },
            Binding { name: "notes", slot: 11, buffer: self.notes, float: true, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "dq", slot: 12, buffer: &*self.dq, float: true, read_only: false, written: true, element_bytes: 16, any_float: true },
            Binding { name: "sigma", slot: 13, buffer: &*self.sigma, float: true, read_only: false, written: true, element_bytes: 4, any_float: false },
            Binding { name: "dk", slot: 14, buffer: &*self.dk, float: true, read_only: false, written: true, element_bytes: 16, any_float: true },
            Binding { name: "dv", slot: 15, buffer: &*self.dv, float: true, read_only: false, written: true, element_bytes: 16, any_float: true },
            Binding { name: "dtable", slot: 16, buffer: &*self.dtable, float: true, read_only: false, written: true, element_bytes: 16, any_float: false },
            Binding { name: "dbias", slot: 17, buffer: &*self.dbias, float: true, read_only: false, written: true, element_bytes: 4, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let q = self.q.read();
        let k = self.k.read();
        let v = self.v.read();
        let table = self.table.read();
        let dy = self.dy.read();
        let notes = self.notes.read();
        let mut dq = self.dq.write();
        let mut sigma = self.sigma.write();
        let mut dk = self.dk.write();
        let mut dv = self.dv.write();
        let mut dtable = self.dtable.write();
        let mut dbias = self.dbias.write();
        crate::cpu::attention_relative_backward::backward(&self.params, &self.constants, (q.f32(), k.f32(), v.f32(), table.f32(), dy.f32(), notes.f32()), (dq.f32_mut(), sigma.f32_mut(), dk.f32_mut(), dv.f32_mut(), dtable.f32_mut(), dbias.f32_mut()));
    }
}
