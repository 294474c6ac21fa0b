//! Signatures of `shaders/attention.wgsl`, one struct per entry point.
//!
//! @generated from the shader; run `UPDATE_KERNELS=1 cargo test -p wgrad-codegen`. Do not edit.

#![cfg_attr(rustfmt, rustfmt::skip)]

use crate::device::{Binding, Buffer, Kernel};
pub use crate::params::attention::{Constants, Params};

/// The WGSL text, shared functions first.
pub const SOURCE: &str = concat!(
    include_str!("../../../shaders/shared/combine.wgsl"),
    include_str!("../../../shaders/shared/attention_place.wgsl"),
    include_str!("../../../shaders/shared/attention_tile.wgsl"),
    include_str!("../../../shaders/shared/attention_masks.wgsl"),
    include_str!("../../../shaders/shared/philox.wgsl"),
    include_str!("../../../shaders/attention.wgsl"),
);

/// Entry point `forward`: reads q, k, v, lengths, bits, key; writes y, lse.
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
    /// `[B]`, or anything if not has_lengths
    pub lengths: &'a Buffer,
    /// `[B, T, ⌈S/32⌉]`, or anything if not has_bits
    pub bits: &'a Buffer,
    /// `[2]` the step's key of dropout
    pub key: &'a Buffer,
    /// `[B, T, A, D]`
    pub y: &'a mut Buffer,
    /// `[B, A, T]`  L, kept for backward
    pub lse: &'a mut Buffer,
}

impl Kernel for Forward<'_> {
    const STEM: &'static str = "attention";
    const ENTRY: &'static str = "forward";
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
            Binding { name: "lengths", slot: 4, buffer: self.lengths, float: false, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "bits", slot: 5, buffer: self.bits, float: false, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "key", slot: 6, buffer: self.key, float: false, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "y", slot: 7, buffer: &*self.y, float: true, read_only: false, written: true, element_bytes: 16, any_float: true },
            Binding { name: "lse", slot: 8, buffer: &*self.lse, float: true, read_only: false, written: true, element_bytes: 4, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let q = self.q.read();
        let k = self.k.read();
        let v = self.v.read();
        let lengths = self.lengths.read();
        let bits = self.bits.read();
        let key = self.key.read();
        let mut y = self.y.write();
        let mut lse = self.lse.write();
        crate::cpu::attention::forward(&self.params, &self.constants, (q.f32(), k.f32(), v.f32(), lengths.u32(), bits.u32(), key.u32()), (y.f32_mut(), lse.f32_mut()));
    }
}
