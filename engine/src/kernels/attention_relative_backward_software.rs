//! Signatures of `shaders/attention_relative_backward_software.wgsl`, one struct per entry point.
//!
//! @generated from the shader; run `UPDATE_KERNELS=1 cargo test -p wgrad-codegen`. Do not edit.

#![cfg_attr(rustfmt, rustfmt::skip)]

use crate::device::{Binding, Buffer, Kernel};
pub use crate::params::attention_relative_backward::{Constants, Params};

/// The WGSL text, shared functions first.
pub const SOURCE: &str = concat!(
    include_str!("../../../shaders/shared/attention_lanes.wgsl"),
    include_str!("../../../shaders/shared/relative_notes.wgsl"),
    include_str!("../../../shaders/shared/relative_lanes.wgsl"),
    include_str!("../../../shaders/shared/philox.wgsl"),
    include_str!("../../../shaders/attention_relative_backward_software.wgsl"),
);

/// Entry point `backward_weights`: reads q, k, v, dy, notes; writes sigma, distant, weights, ds.
pub struct BackwardWeights<'a> {
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
    /// those that backward_notes packs
    pub notes: &'a Buffer,
    /// `[B, T, A]`  σ
    pub sigma: &'a mut Buffer,
    /// `[.., U, N]`  X, then G'
    pub distant: &'a mut Buffer,
    /// `[.., T, S]`  z·p
    pub weights: &'a mut Buffer,
    /// `[.., T, S]`  G
    pub ds: &'a mut Buffer,
}

impl Kernel for BackwardWeights<'_> {
    const STEM: &'static str = "attention_relative_backward_software";
    const ENTRY: &'static str = "backward_weights";
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
            Binding { name: "dy", slot: 8, buffer: self.dy, float: true, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "notes", slot: 11, buffer: self.notes, float: true, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "sigma", slot: 13, buffer: &*self.sigma, float: true, read_only: false, written: true, element_bytes: 4, any_float: false },
            Binding { name: "distant", slot: 18, buffer: &*self.distant, float: true, read_only: false, written: true, element_bytes: 4, any_float: false },
            Binding { name: "weights", slot: 19, buffer: &*self.weights, float: true, read_only: false, written: true, element_bytes: 4, any_float: false },
            Binding { name: "ds", slot: 20, buffer: &*self.ds, float: true, read_only: false, written: true, element_bytes: 4, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let q = self.q.read();
        let k = self.k.read();
        let v = self.v.read();
        let dy = self.dy.read();
        let notes = self.notes.read();
        let mut sigma = self.sigma.write();
        let mut distant = self.distant.write();
        let mut weights = self.weights.write();
        let mut ds = self.ds.write();
        crate::reference::attention_relative_backward::backward_weights::<f32>(&self.params, &self.constants, (q.f32(), k.f32(), v.f32(), dy.f32(), notes.f32()), (sigma.f32_mut(), distant.f32_mut(), weights.f32_mut(), ds.f32_mut()));
    }
}
