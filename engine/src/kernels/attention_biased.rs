//! Signatures of `shaders/attention_biased.wgsl`, one struct per entry point.
//!
//! @generated from the shader; run `UPDATE_KERNELS=1 cargo test -p wgrad-codegen`. Do not edit.

#![cfg_attr(rustfmt, rustfmt::skip)]

use crate::device::{Binding, Buffer, Kernel};
pub use crate::params::attention_biased::{Constants, Params};

/// The WGSL text, shared functions first.
pub const SOURCE: &str = concat!(
    include_str!("../../../shaders/shared/row_share.wgsl"),
    include_str!("../../../shaders/shared/short_rows.wgsl"),
    include_str!("../../../shaders/shared/attention_rows.wgsl"),
    include_str!("../../../shaders/shared/philox.wgsl"),
    include_str!("../../../shaders/attention_biased.wgsl"),
);

/// Entry point `forward`: reads bias, lengths, bits, key; writes weights, lse.
pub struct Forward<'a> {
    /// Its uniforms.
    pub params: Params,
    /// What its pipeline is compiled with.
    pub constants: Constants,
    /// `[1 or B, 1 or A, T, S]`  β
    pub bias: &'a Buffer,
    /// `[B]`, or anything if not has_lengths
    pub lengths: &'a Buffer,
    /// `[B, T, ⌈S/32⌉]`, or anything if not has_bits
    pub bits: &'a Buffer,
    /// `[2]` the step's key of dropout
    pub key: &'a Buffer,
    /// `[.., T, S]`  ⟨q_i, k_j⟩, then z·p
    pub weights: &'a mut Buffer,
    /// `[B, T, A]`  L, kept for backward
    pub lse: &'a mut Buffer,
}

impl Kernel for Forward<'_> {
    const STEM: &'static str = "attention_biased";
    const ENTRY: &'static str = "forward";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [64, 1, 1];
    const USES_PARAMS: bool = true;

    fn params(&self) -> &[u8] {
        bytemuck::bytes_of(&self.params)
    }

    fn constants(&self) -> Vec<(&'static str, f64)> {
        vec![
            ("ROW_LANES", f64::from(self.constants.row_lanes)),
        ]
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "bias", slot: 1, buffer: self.bias, float: true, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "lengths", slot: 2, buffer: self.lengths, float: false, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "bits", slot: 3, buffer: self.bits, float: false, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "key", slot: 4, buffer: self.key, float: false, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "weights", slot: 5, buffer: &*self.weights, float: true, read_only: false, written: true, element_bytes: 4, any_float: false },
            Binding { name: "lse", slot: 6, buffer: &*self.lse, float: true, read_only: false, written: true, element_bytes: 4, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let bias = self.bias.read();
        let lengths = self.lengths.read();
        let bits = self.bits.read();
        let key = self.key.read();
        let mut weights = self.weights.write();
        let mut lse = self.lse.write();
        crate::cpu::attention_biased::forward(&self.params, (bias.f32(), lengths.u32(), bits.u32(), key.u32()), (weights.f32_mut(), lse.f32_mut()));
    }
}

/// Entry point `backward`: reads bias, lengths, bits, key, lse; writes weights, ds.
pub struct Backward<'a> {
    /// Its uniforms.
    pub params: Params,
    /// What its pipeline is compiled with.
    pub constants: Constants,
    /// `[1 or B, 1 or A, T, S]`  β
    pub bias: &'a Buffer,
    /// `[B]`, or anything if not has_lengths
    pub lengths: &'a Buffer,
    /// `[B, T, ⌈S/32⌉]`, or anything if not has_bits
    pub bits: &'a Buffer,
    /// `[2]` the step's key of dropout
    pub key: &'a Buffer,
    /// `[.., T, S]`  ⟨q_i, k_j⟩, then z·p
    pub weights: &'a mut Buffer,
    /// `[B, T, A]`  L, kept for backward
    pub lse: &'a Buffer,
    /// `[.., T, S]`  ⟨dy_i, v_j⟩, then G
    pub ds: &'a mut Buffer,
}

impl Kernel for Backward<'_> {
    const STEM: &'static str = "attention_biased";
    const ENTRY: &'static str = "backward";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [64, 1, 1];
    const USES_PARAMS: bool = true;

    fn params(&self) -> &[u8] {
        bytemuck::bytes_of(&self.params)
    }

    fn constants(&self) -> Vec<(&'static str, f64)> {
        vec![
            ("ROW_LANES", f64::from(self.constants.row_lanes)),
        ]
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "bias", slot: 1, buffer: self.bias, float: true, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "lengths", slot: 2, buffer: self.lengths, float: false, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "bits", slot: 3, buffer: self.bits, float: false, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "key", slot: 4, buffer: self.key, float: false, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "weights", slot: 5, buffer: &*self.weights, float: true, read_only: false, written: true, element_bytes: 4, any_float: false },
            Binding { name: "lse", slot: 6, buffer: self.lse, float: true, read_only: false, written: false, element_bytes: 4, any_float: false },
            Binding { name: "ds", slot: 7, buffer: &*self.ds, float: true, read_only: false, written: true, element_bytes: 4, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let bias = self.bias.read();
        let lengths = self.lengths.read();
        let bits = self.bits.read();
        let key = self.key.read();
        let lse = self.lse.read();
        let mut weights = self.weights.write();
        let mut ds = self.ds.write();
        crate::cpu::attention_biased::backward(&self.params, (bias.f32(), lengths.u32(), bits.u32(), key.u32(), lse.f32()), (weights.f32_mut(), ds.f32_mut()));
    }
}

/// Entry point `backward_bias`: reads ds; writes dbias.
pub struct BackwardBias<'a> {
    /// Its uniforms.
    pub params: Params,
    /// What its pipeline is compiled with.
    pub constants: Constants,
    /// `[.., T, S]`  ⟨dy_i, v_j⟩, then G
    pub ds: &'a Buffer,
    /// `[1 or B, 1 or A, T, S]`  dβ, the chunk's part
    pub dbias: &'a mut Buffer,
}

impl Kernel for BackwardBias<'_> {
    const STEM: &'static str = "attention_biased";
    const ENTRY: &'static str = "backward_bias";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [64, 1, 1];
    const USES_PARAMS: bool = true;

    fn params(&self) -> &[u8] {
        bytemuck::bytes_of(&self.params)
    }

    fn constants(&self) -> Vec<(&'static str, f64)> {
        vec![
            ("ROW_LANES", f64::from(self.constants.row_lanes)),
        ]
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "ds", slot: 7, buffer: self.ds, float: true, read_only: false, written: false, element_bytes: 4, any_float: false },
            Binding { name: "dbias", slot: 8, buffer: &*self.dbias, float: true, read_only: false, written: true, element_bytes: 4, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let ds = self.ds.read();
        let mut dbias = self.dbias.write();
        crate::reference::attention_biased::backward_bias::<f32>(&self.params, ds.f32(), dbias.f32_mut());
    }
}
