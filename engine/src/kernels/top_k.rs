//! Signatures of `shaders/top_k.wgsl`, one struct per entry point.
//!
//! @generated from the shader; run `UPDATE_KERNELS=1 cargo test -p wgrad-codegen`. Do not edit.

#![cfg_attr(rustfmt, rustfmt::skip)]

use crate::device::{Binding, Buffer, Kernel};
pub use crate::params::top_k::{Params};

/// The WGSL text, shared functions first.
pub const SOURCE: &str = concat!(
    include_str!("../../../shaders/shared/lanes.wgsl"),
    include_str!("../../../shaders/top_k.wgsl"),
);

/// Entry point `forward`: reads scores; writes values, indices.
pub struct Forward<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[N, C]`
    pub scores: &'a Buffer,
    /// `[N, k]`  best first
    pub values: &'a mut Buffer,
    /// `[N, k]`  their columns
    pub indices: &'a mut Buffer,
}

impl Kernel for Forward<'_> {
    const STEM: &'static str = "top_k";
    const ENTRY: &'static str = "forward";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [256, 1, 1];
    const USES_PARAMS: bool = true;

    fn params(&self) -> &[u8] {
        bytemuck::bytes_of(&self.params)
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "scores", slot: 1, buffer: self.scores, float: true, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "values", slot: 2, buffer: &*self.values, float: true, read_only: false, written: true, element_bytes: 4, any_float: false },
            Binding { name: "indices", slot: 3, buffer: &*self.indices, float: false, read_only: false, written: true, element_bytes: 4, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let scores = self.scores.read();
        let mut values = self.values.write();
        let mut indices = self.indices.write();
        crate::cpu::top_k::forward(&self.params, scores.f32(), (values.f32_mut(), indices.u32_mut()));
    }
}
