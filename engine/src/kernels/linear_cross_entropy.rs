//! Signatures of `shaders/linear_cross_entropy.wgsl`, one struct per entry point.
//!
//! @generated from the shader; run `UPDATE_KERNELS=1 cargo test -p wgrad-codegen`. Do not edit.

#![cfg_attr(rustfmt, rustfmt::skip)]

use crate::device::{Binding, Buffer, Kernel};
pub use crate::params::linear_cross_entropy::{Params};

/// The WGSL text, shared functions first.
pub const SOURCE: &str = concat!(
    include_str!("../../../shaders/shared/lanes.wgsl"),
    include_str!("../../../shaders/linear_cross_entropy.wgsl"),
);

/// Entry point `forward`: reads targets, logits; writes row_max, row_sum, row_losses.
pub struct Forward<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[C]`     t, or IGNORED
    pub targets: &'a Buffer,
    /// `[C, V]`  x, then ∂L/∂x
    pub logits: &'a Buffer,
    /// `[C]`     m
    pub row_max: &'a mut Buffer,
    /// `[C]`     Σ
    pub row_sum: &'a mut Buffer,
    /// `[C]`     ℓ
    pub row_losses: &'a mut Buffer,
}

impl Kernel for Forward<'_> {
    const STEM: &'static str = "linear_cross_entropy";
    const ENTRY: &'static str = "forward";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [256, 1, 1];
    const USES_PARAMS: bool = true;

    fn params(&self) -> &[u8] {
        bytemuck::bytes_of(&self.params)
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "targets", slot: 1, buffer: self.targets, float: false, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "logits", slot: 3, buffer: self.logits, float: true, read_only: false, written: false, element_bytes: 4, any_float: false },
            Binding { name: "row_max", slot: 4, buffer: &*self.row_max, float: true, read_only: false, written: true, element_bytes: 4, any_float: false },
            Binding { name: "row_sum", slot: 5, buffer: &*self.row_sum, float: true, read_only: false, written: true, element_bytes: 4, any_float: false },
            Binding { name: "row_losses", slot: 6, buffer: &*self.row_losses, float: true, read_only: false, written: true, element_bytes: 4, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let targets = self.targets.read();
        let logits = self.logits.read();
        let mut row_max = self.row_max.write();
        let mut row_sum = self.row_sum.write();
        let mut row_losses = self.row_losses.write();
        crate::cpu::linear_cross_entropy::forward(&self.params, (targets.u32(), logits.f32()), (row_max.f32_mut(), row_sum.f32_mut(), row_losses.f32_mut()));
    }
}

/// Entry point `backward_logits`: reads targets, row_weight, row_max, row_sum; writes logits.
pub struct BackwardLogits<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[C]`     t, or IGNORED
    pub targets: &'a Buffer,
    /// `[1]` or `[C]`  w
    pub row_weight: &'a Buffer,
    /// `[C, V]`  x, then ∂L/∂x
    pub logits: &'a mut Buffer,
    /// `[C]`     m
    pub row_max: &'a Buffer,
    /// `[C]`     Σ
    pub row_sum: &'a Buffer,
}

impl Kernel for BackwardLogits<'_> {
    const STEM: &'static str = "linear_cross_entropy";
    const ENTRY: &'static str = "backward_logits";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [256, 1, 1];
    const USES_PARAMS: bool = true;

    fn params(&self) -> &[u8] {
        bytemuck::bytes_of(&self.params)
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "targets", slot: 1, buffer: self.targets, float: false, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "row_weight", slot: 2, buffer: self.row_weight, float: true, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "logits", slot: 3, buffer: &*self.logits, float: true, read_only: false, written: true, element_bytes: 4, any_float: false },
            Binding { name: "row_max", slot: 4, buffer: self.row_max, float: true, read_only: false, written: false, element_bytes: 4, any_float: false },
            Binding { name: "row_sum", slot: 5, buffer: self.row_sum, float: true, read_only: false, written: false, element_bytes: 4, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let targets = self.targets.read();
        let row_weight = self.row_weight.read();
        let row_max = self.row_max.read();
        let row_sum = self.row_sum.read();
        let mut logits = self.logits.write();
        crate::cpu::linear_cross_entropy::backward_logits(&self.params, (targets.u32(), row_weight.f32(), row_max.f32(), row_sum.f32()), logits.f32_mut());
    }
}

/// Entry point `backward_bias`: reads logits; writes dbias.
pub struct BackwardBias<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[C, V]`  x, then ∂L/∂x
    pub logits: &'a Buffer,
    /// `[V]`     db, summed over chunks
    pub dbias: &'a mut Buffer,
}

impl Kernel for BackwardBias<'_> {
    const STEM: &'static str = "linear_cross_entropy";
    const ENTRY: &'static str = "backward_bias";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [256, 1, 1];
    const USES_PARAMS: bool = true;

    fn params(&self) -> &[u8] {
        bytemuck::bytes_of(&self.params)
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "logits", slot: 3, buffer: self.logits, float: true, read_only: false, written: false, element_bytes: 4, any_float: false },
            Binding { name: "dbias", slot: 7, buffer: &*self.dbias, float: true, read_only: false, written: true, element_bytes: 4, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let logits = self.logits.read();
        let mut dbias = self.dbias.write();
        crate::cpu::linear_cross_entropy::backward_bias(&self.params, logits.f32(), dbias.f32_mut());
    }
}
