//! Signatures of `shaders/attention_relative.wgsl`, one struct per entry point.
//!
//! @generated from the shader; run `UPDATE_KERNELS=1 cargo test -p wgrad-codegen`. Do not edit.

#![cfg_attr(rustfmt, rustfmt::skip)]

use crate::device::{Binding, Buffer, Kernel};
pub use crate::params::attention_relative::{Constants, Params};

/// The WGSL text, shared functions first.
pub const SOURCE: &str = concat!(
    include_str!("../../../shaders/shared/combine.wgsl"),
    include_str!("../../../shaders/shared/attention_place.wgsl"),
    include_str!("../../../shaders/shared/relative_notes.wgsl"),
    include_str!("../../../shaders/shared/relative_tile.wgsl"),
    include_str!("../../../shaders/shared/relative_sums.wgsl"),
    include_str!("../../../shaders/shared/philox.wgsl"),
    include_str!("../../../shaders/attention_relative.wgsl"),
);

/// Entry point `forward_notes`: reads lengths, bits, places, query_segments, key_segments, slopes, key; writes packed.
pub struct ForwardNotes<'a> {
    /// Its uniforms.
    pub params: Params,
    /// What its pipeline is compiled with.
    pub constants: Constants,
    /// `[B]`, or anything if not has_lengths
    pub lengths: &'a Buffer,
    /// `[B, T, ⌈S/32⌉]`, or anything if not has_bits
    pub bits: &'a Buffer,
    /// `[B, T]`  t, or anything if not has_places
    pub places: &'a Buffer,
    /// `[B, T]`, or anything if not has_segments
    pub query_segments: &'a Buffer,
    /// `[B, S]`, or anything if not has_segments
    pub key_segments: &'a Buffer,
    /// `[B, T, A]`  e, or anything if not has_segments
    pub slopes: &'a Buffer,
    /// `[2]` the step's key of dropout
    pub key: &'a Buffer,
    /// `[4 + B·T·(2 + 4·⌈S/32⌉ + A)]`
    pub packed: &'a mut Buffer,
}

impl Kernel for ForwardNotes<'_> {
    const STEM: &'static str = "attention_relative";
    const ENTRY: &'static str = "forward_notes";
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
            Binding { name: "lengths", slot: 6, buffer: self.lengths, float: false, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "bits", slot: 7, buffer: self.bits, float: false, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "places", slot: 8, buffer: self.places, float: false, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "query_segments", slot: 9, buffer: self.query_segments, float: false, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "key_segments", slot: 10, buffer: self.key_segments, float: false, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "slopes", slot: 11, buffer: self.slopes, float: true, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "key", slot: 12, buffer: self.key, float: false, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "packed", slot: 13, buffer: &*self.packed, float: true, read_only: false, written: true, element_bytes: 4, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let lengths = self.lengths.read();
        let bits = self.bits.read();
        let places = self.places.read();
        let query_segments = self.query_segments.read();
        let key_segments = self.key_segments.read();
        let slopes = self.slopes.read();
        let key = self.key.read();
        let mut packed = self.packed.write();
        crate::reference::attention_relative::forward_notes::<f32>(&self.params, &self.constants, (lengths.u32(), bits.u32(), places.u32(), query_segments.u32(), key_segments.u32(), slopes.f32(), key.u32()), packed.f32_mut());
    }
}

/// Entry point `forward`: reads q, k, v, table, biases, notes; writes y, lse.
pub struct Forward<'a> {
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
    /// `[2, A, D]`  u, w
    pub biases: &'a Buffer,
    /// the same, packed
    pub notes: &'a Buffer,
    /// `[B, T, A, D]`
    pub y: &'a mut Buffer,
    /// `[B, A, T]`  L, kept for backward
    pub lse: &'a mut Buffer,
}

impl Kernel for Forward<'_> {
    const STEM: &'static str = "attention_relative";
    const ENTRY: &'static str = "forward";
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
            Binding { name: "biases", slot: 5, buffer: self.biases, float: true, read_only: true, written: false, element_bytes: 16, any_float: false },
            Binding { name: "notes", slot: 14, buffer: self.notes, float: true, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "y", slot: 15, buffer: &*self.y, float: true, read_only: false, written: true, element_bytes: 16, any_float: true },
            Binding { name: "lse", slot: 16, buffer: &*self.lse, float: true, read_only: false, written: true, element_bytes: 4, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let q = self.q.read();
        let k = self.k.read();
        let v = self.v.read();
        let table = self.table.read();
        let biases = self.biases.read();
        let notes = self.notes.read();
        let mut y = self.y.write();
        let mut lse = self.lse.write();
        crate::cpu::attention_relative::forward(&self.params, &self.constants, (q.f32(), k.f32(), v.f32(), table.f32(), biases.f32(), notes.f32()), (y.f32_mut(), lse.f32_mut()));
    }
}
