//! Signatures of `shaders/attention_backward.wgsl`, one struct per entry point.
//!
//! @generated from the shader; run `UPDATE_KERNELS=1 cargo test -p wgrad-codegen`. Do not edit.

#![cfg_attr(rustfmt, rustfmt::skip)]

use crate::device::{Binding, Buffer, Kernel};
pub use crate::params::attention_backward::{Constants, Params};

/// The WGSL text, shared functions first.
pub const SOURCE: &str = concat!(
    include_str!("../../../shaders/shared/combine.wgsl"),
    include_str!("../../../shaders/shared/attention_place.wgsl"),
    include_str!("../../../shaders/shared/attention_tile.wgsl"),
    include_str!("../../../shaders/shared/attention_walk.wgsl"),
    include_str!("../../../shaders/shared/attention_keys.wgsl"),
    include_str!("../../../shaders/shared/attention_notes.wgsl"),
    include_str!("../../../shaders/shared/philox.wgsl"),
    include_str!("../../../shaders/attention_backward.wgsl"),
);

/// Entry point `backward_rows`: reads y, dy, lse, lengths, bits, key; writes notes.
pub struct BackwardRows<'a> {
    /// Its uniforms.
    pub params: Params,
    /// What its pipeline is compiled with.
    pub constants: Constants,
    /// `[B, T, A, D]`
    pub y: &'a Buffer,
    /// `[B, T, A, D]`
    pub dy: &'a Buffer,
    /// `[B, A, T]`  L
    pub lse: &'a Buffer,
    /// `[B]`, or anything if not has_lengths
    pub lengths: &'a Buffer,
    /// `[B, T, ⌈S/32⌉]`, or anything if not has_bits
    pub bits: &'a Buffer,
    /// `[2]` the step's key of dropout
    pub key: &'a Buffer,
    /// `[4 + B + 2·B·A·T + 2·B·T·⌈S/32⌉]`, without the last term if not has_bits
    pub notes: &'a mut Buffer,
}

impl Kernel for BackwardRows<'_> {
    const STEM: &'static str = "attention_backward";
    const ENTRY: &'static str = "backward_rows";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [64, 1, 1];
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
            Binding { name: "y", slot: 4, buffer: self.y, float: true, read_only: true, written: false, element_bytes: 16, any_float: true },
            Binding { name: "dy", slot: 5, buffer: self.dy, float: true, read_only: true, written: false, element_bytes: 16, any_float: true },
            Binding { name: "lse", slot: 6, buffer: self.lse, float: true, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "lengths", slot: 7, buffer: self.lengths, float: false, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "bits", slot: 8, buffer: self.bits, float: false, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "key", slot: 9, buffer: self.key, float: false, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "notes", slot: 10, buffer: &*self.notes, float: true, read_only: false, written: true, element_bytes: 4, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let y = self.y.read();
        let dy = self.dy.read();
        let lse = self.lse.read();
        let lengths = self.lengths.read();
        let bits = self.bits.read();
        let key = self.key.read();
        let mut notes = self.notes.write();
        crate::cpu::attention_backward::backward_rows(&self.params, &self.constants, (y.f32(), dy.f32(), lse.f32(), lengths.u32(), bits.u32(), key.u32()), notes.f32_mut());
    }
}

/// Entry point `backward_queries`: reads q, k, v, dy, notes; writes dq.
pub struct BackwardQueries<'a> {
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
    /// `[B, T, A, D]`
    pub dy: &'a Buffer,
    /// `[4 + B + 2·B·A·T + 2·B·T·⌈S/32⌉]`, without the last term if not has_bits
    pub notes: &'a Buffer,
    /// `[B, T, A, D]`
    pub dq: &'a mut Buffer,
}

impl Kernel for BackwardQueries<'_> {
    const STEM: &'static str = "attention_backward";
    const ENTRY: &'static str = "backward_queries";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [64, 1, 1];
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
            Binding { name: "dy", slot: 5, buffer: self.dy, float: true, read_only: true, written: false, element_bytes: 16, any_float: true },
            Binding { name: "notes", slot: 10, buffer: self.notes, float: true, read_only: false, written: false, element_bytes: 4, any_float: false },
            Binding { name: "dq", slot: 11, buffer: &*self.dq, float: true, read_only: false, written: true, element_bytes: 16, any_float: true },
        ]
    }

    fn on_cpu(self) {
        let q = self.q.read();
        let k = self.k.read();
        let v = self.v.read();
        let dy = self.dy.read();
        let notes = self.notes.read();
        let mut dq = self.dq.write();
        crate::reference::attention_backward::backward_queries::<f32>(&self.params, &self.constants, (q.f32(), k.f32(), v.f32(), dy.f32(), notes.f32()), dq.f32_mut());
    }
}

/// Entry point `backward_keys`: reads q, k, v, dy, notes; writes dk, dv.
pub struct BackwardKeys<'a> {
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
    /// `[B, T, A, D]`
    pub dy: &'a Buffer,
    /// `[4 + B + 2·B·A·T + 2·B·T·⌈S/32⌉]`, without the last term if not has_bits
    pub notes: &'a Buffer,
    /// `[B, S, A, D]`
    pub dk: &'a mut Buffer,
    /// `[B, S, A, D]`
    pub dv: &'a mut Buffer,
}

impl Kernel for BackwardKeys<'_> {
    const STEM: &'static str = "attention_backward";
    const ENTRY: &'static str = "backward_keys";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [64, 1, 1];
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
            Binding { name: "dy", slot: 5, buffer: self.dy, float: true, read_only: true, written: false, element_bytes: 16, any_float: true },
            Binding { name: "notes", slot: 10, buffer: self.notes, float: true, read_only: false, written: false, element_bytes: 4, any_float: false },
            Binding { name: "dk", slot: 12, buffer: &*self.dk, float: true, read_only: false, written: true, element_bytes: 16, any_float: true },
            Binding { name: "dv", slot: 13, buffer: &*self.dv, float: true, read_only: false, written: true, element_bytes: 16, any_float: true },
        ]
    }

    fn on_cpu(self) {
        let q = self.q.read();
        let k = self.k.read();
        let v = self.v.read();
        let dy = self.dy.read();
        let notes = self.notes.read();
        let mut dk = self.dk.write();
        let mut dv = self.dv.write();
        crate::reference::attention_backward::backward_keys::<f32>(&self.params, &self.constants, (q.f32(), k.f32(), v.f32(), dy.f32(), notes.f32()), (dk.f32_mut(), dv.f32_mut()));
    }
}
