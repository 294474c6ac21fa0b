//! Signatures of `shaders/attention_relative_software.wgsl`, one struct per entry point.
//!
//! @generated from the shader; run `UPDATE_KERNELS=1 cargo test -p wgrad-codegen`. Do not edit.

#![cfg_attr(rustfmt, rustfmt::skip)]

use crate::device::{Binding, Buffer, Kernel};
pub use crate::params::attention_relative::{Constants, Params};

/// The WGSL text, shared functions first.
pub const SOURCE: &str = concat!(
    include_str!("../../../shaders/shared/attention_lanes.wgsl"),
    include_str!("../../../shaders/shared/attention_soften.wgsl"),
    include_str!("../../../shaders/shared/relative_notes.wgsl"),
    include_str!("../../../shaders/shared/relative_lanes.wgsl"),
    include_str!("../../../shaders/shared/philox.wgsl"),
    include_str!("../../../shaders/attention_relative_software.wgsl"),
);

/// Entry point `forward_distant`: reads q, k, v, biases, notes, distant; writes y, lse.
pub struct ForwardDistant<'a> {
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
    /// `[2, A, D]`  u, w
    pub biases: &'a Buffer,
    /// those that forward_notes packs
    pub notes: &'a Buffer,
    /// `[B, T, A, D]`
    pub y: &'a mut Buffer,
    /// `[B, A, T]`  L, kept for backward
    pub lse: &'a mut Buffer,
    /// `[.., U, N]`  X
    pub distant: &'a Buffer,
}

impl Kernel for ForwardDistant<'_> {
    const STEM: &'static str = "attention_relative_software";
    const ENTRY: &'static str = "forward_distant";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [8, 1, 1];
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
            Binding { name: "q", slot: 1, buffer: self.q, float: true, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "k", slot: 2, buffer: self.k, float: true, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "v", slot: 3, buffer: self.v, float: true, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "biases", slot: 5, buffer: self.biases, float: true, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "notes", slot: 14, buffer: self.notes, float: true, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "y", slot: 15, buffer: &*self.y, float: true, read_only: false, written: true, element_bytes: 4, any_float: false },
            Binding { name: "lse", slot: 16, buffer: &*self.lse, float: true, read_only: false, written: true, element_bytes: 4, any_float: false },
            Binding { name: "distant", slot: 17, buffer: self.distant, float: true, read_only: true, written: false, element_bytes: 4, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let q = self.q.read();
        let k = self.k.read();
        let v = self.v.read();
        let biases = self.biases.read();
        let notes = self.notes.read();
        let distant = self.distant.read();
        let mut y = self.y.write();
        let mut lse = self.lse.write();
        crate::reference::attention_relative::forward_distant::<f32>(&self.params, &self.constants, (q.f32(), k.f32(), v.f32(), biases.f32(), notes.f32(), distant.f32()), (y.f32_mut(), lse.f32_mut()));
    }
}
