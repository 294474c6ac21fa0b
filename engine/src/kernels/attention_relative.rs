//! Signatures of `shaders/attention_relative.wgsl`, one struct per entry point.
//!
//! @generated from the shader; run `UPDATE_KERNELS=1 cargo test -p wgrad-codegen`. Do not edit.

#![cfg_attr(rustfmt, rustfmt::skip)]

use crate::device::{Binding, Buffer, Kernel};
pub use crate::params::attention_relative::{Constants, Params};

/// The WGSL text, shared functions first.
pub const SOURCE: &str = concat!(
    include_str!("../../../shaders/shared/row_share.wgsl"),
    include_str!("../../../shaders/shared/short_rows.wgsl"),
    include_str!("../../../shaders/shared/attention_rows.wgsl"),
    include_str!("../../../shaders/shared/philox.wgsl"),
    include_str!("../../../shaders/attention_relative.wgsl"),
);

/// Entry point `scores`: reads distant, lengths, bits, places, query_segments, key_segments, slopes; writes weights.
pub struct Scores<'a> {
    /// Its uniforms.
    pub params: Params,
    /// What its pipeline is compiled with.
    pub constants: Constants,
    /// `[.., T, Q + S]`  (q_i + w)·r_n
    pub distant: &'a Buffer,
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
    /// `[.., T, S]`  (q_i + u)·k_j, then s, then z·p
    pub weights: &'a mut Buffer,
}

impl Kernel for Scores<'_> {
    const STEM: &'static str = "attention_relative";
    const ENTRY: &'static str = "scores";
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
            Binding { name: "distant", slot: 1, buffer: self.distant, float: true, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "lengths", slot: 2, buffer: self.lengths, float: false, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "bits", slot: 3, buffer: self.bits, float: false, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "places", slot: 4, buffer: self.places, float: false, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "query_segments", slot: 5, buffer: self.query_segments, float: false, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "key_segments", slot: 6, buffer: self.key_segments, float: false, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "slopes", slot: 7, buffer: self.slopes, float: true, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "weights", slot: 9, buffer: &*self.weights, float: true, read_only: false, written: true, element_bytes: 4, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let distant = self.distant.read();
        let lengths = self.lengths.read();
        let bits = self.bits.read();
        let places = self.places.read();
        let query_segments = self.query_segments.read();
        let key_segments = self.key_segments.read();
        let slopes = self.slopes.read();
        let mut weights = self.weights.write();
        crate::cpu::attention_relative::scores(&self.params, (distant.f32(), lengths.u32(), bits.u32(), places.u32(), query_segments.u32(), key_segments.u32(), slopes.f32()), weights.f32_mut());
    }
}

/// Entry point `forward`: reads key; writes weights, lse.
pub struct Forward<'a> {
    /// Its uniforms.
    pub params: Params,
    /// What its pipeline is compiled with.
    pub constants: Constants,
    /// `[2]` the step's key of dropout
    pub key: &'a Buffer,
    /// `[.., T, S]`  (q_i + u)·k_j, then s, then z·p
    pub weights: &'a mut Buffer,
    /// `[B, T, A]`  L, kept for backward
    pub lse: &'a mut Buffer,
}

impl Kernel for Forward<'_> {
    const STEM: &'static str = "attention_relative";
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
            Binding { name: "key", slot: 8, buffer: self.key, float: false, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "weights", slot: 9, buffer: &*self.weights, float: true, read_only: false, written: true, element_bytes: 4, any_float: false },
            Binding { name: "lse", slot: 10, buffer: &*self.lse, float: true, read_only: false, written: true, element_bytes: 4, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let key = self.key.read();
        let mut weights = self.weights.write();
        let mut lse = self.lse.write();
        crate::cpu::attention_relative::forward(&self.params, key.u32(), (weights.f32_mut(), lse.f32_mut()));
    }
}

/// Entry point `backward`: reads places, key, lse; writes weights, ds, shifted.
pub struct Backward<'a> {
    /// Its uniforms.
    pub params: Params,
    /// What its pipeline is compiled with.
    pub constants: Constants,
    /// `[B, T]`  t, or anything if not has_places
    pub places: &'a Buffer,
    /// `[2]` the step's key of dropout
    pub key: &'a Buffer,
    /// `[.., T, S]`  (q_i + u)·k_j, then s, then z·p
    pub weights: &'a mut Buffer,
    /// `[B, T, A]`  L, kept for backward
    pub lse: &'a Buffer,
    /// `[.., T, S]`  ⟨dy_i, v_j⟩, then G
    pub ds: &'a mut Buffer,
    /// `[.., T, Q + S]`  G_{i, n − Q + t_i}, 0 where there is no such j
    pub shifted: &'a mut Buffer,
}

impl Kernel for Backward<'_> {
    const STEM: &'static str = "attention_relative";
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
            Binding { name: "places", slot: 4, buffer: self.places, float: false, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "key", slot: 8, buffer: self.key, float: false, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "weights", slot: 9, buffer: &*self.weights, float: true, read_only: false, written: true, element_bytes: 4, any_float: false },
            Binding { name: "lse", slot: 10, buffer: self.lse, float: true, read_only: false, written: false, element_bytes: 4, any_float: false },
            Binding { name: "ds", slot: 11, buffer: &*self.ds, float: true, read_only: false, written: true, element_bytes: 4, any_float: false },
            Binding { name: "shifted", slot: 12, buffer: &*self.shifted, float: true, read_only: false, written: true, element_bytes: 4, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let places = self.places.read();
        let key = self.key.read();
        let lse = self.lse.read();
        let mut weights = self.weights.write();
        let mut ds = self.ds.write();
        let mut shifted = self.shifted.write();
        crate::cpu::attention_relative::backward(&self.params, (places.u32(), key.u32(), lse.f32()), (weights.f32_mut(), ds.f32_mut(), shifted.f32_mut()));
    }
}
