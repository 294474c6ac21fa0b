//! Signatures of `shaders/contrastive.wgsl`, one struct per entry point.
//!
//! @generated from the shader; run `UPDATE_KERNELS=1 cargo test -p wgrad-codegen`. Do not edit.

#![cfg_attr(rustfmt, rustfmt::skip)]

use crate::device::{Binding, Buffer, Kernel};
pub use crate::params::contrastive::{Params};

/// The WGSL text, shared functions first.
pub const SOURCE: &str = concat!(
    include_str!("../../../shaders/shared/lanes.wgsl"),
    include_str!("../../../shaders/contrastive.wgsl"),
);

/// Entry point `forward`: reads candidate_ids, targets, scores; writes row_max, row_sum, row_losses.
pub struct Forward<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[N]`     equal ids are the same passage
    pub candidate_ids: &'a Buffer,
    /// `[C]`     t, or IGNORED
    pub targets: &'a Buffer,
    /// `[C, N]`  q·pᵀ, then ∂L/∂(q·pᵀ)
    pub scores: &'a Buffer,
    /// `[C]`     m
    pub row_max: &'a mut Buffer,
    /// `[C]`     Σ
    pub row_sum: &'a mut Buffer,
    /// `[C]`     ℓ
    pub row_losses: &'a mut Buffer,
}

impl Kernel for Forward<'_> {
    const STEM: &'static str = "contrastive";
    const ENTRY: &'static str = "forward";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [256, 1, 1];
    const USES_PARAMS: bool = true;

    fn params(&self) -> &[u8] {
        bytemuck::bytes_of(&self.params)
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "candidate_ids", slot: 1, buffer: self.candidate_ids, float: false, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "targets", slot: 2, buffer: self.targets, float: false, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "scores", slot: 4, buffer: self.scores, float: true, read_only: false, written: false, element_bytes: 4, any_float: false },
            Binding { name: "row_max", slot: 5, buffer: &*self.row_max, float: true, read_only: false, written: true, element_bytes: 4, any_float: false },
            Binding { name: "row_sum", slot: 6, buffer: &*self.row_sum, float: true, read_only: false, written: true, element_bytes: 4, any_float: false },
            Binding { name: "row_losses", slot: 7, buffer: &*self.row_losses, float: true, read_only: false, written: true, element_bytes: 4, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let candidate_ids = self.candidate_ids.read();
        let targets = self.targets.read();
        let scores = self.scores.read();
        let mut row_max = self.row_max.write();
        let mut row_sum = self.row_sum.write();
        let mut row_losses = self.row_losses.write();
        crate::cpu::contrastive::forward(&self.params, (candidate_ids.u32(), targets.u32(), scores.f32()), (row_max.f32_mut(), row_sum.f32_mut(), row_losses.f32_mut()));
    }
}

/// Entry point `backward_scores`: reads candidate_ids, targets, row_weight, row_max, row_sum; writes scores.
pub struct BackwardScores<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[N]`     equal ids are the same passage
    pub candidate_ids: &'a Buffer,
    /// `[C]`     t, or IGNORED
    pub targets: &'a Buffer,
    /// `[1]`     w
    pub row_weight: &'a Buffer,
    /// `[C, N]`  q·pᵀ, then ∂L/∂(q·pᵀ)
    pub scores: &'a mut Buffer,
    /// `[C]`     m
    pub row_max: &'a Buffer,
    /// `[C]`     Σ
    pub row_sum: &'a Buffer,
}

impl Kernel for BackwardScores<'_> {
    const STEM: &'static str = "contrastive";
    const ENTRY: &'static str = "backward_scores";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [256, 1, 1];
    const USES_PARAMS: bool = true;

    fn params(&self) -> &[u8] {
        bytemuck::bytes_of(&self.params)
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "candidate_ids", slot: 1, buffer: self.candidate_ids, float: false, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "targets", slot: 2, buffer: self.targets, float: false, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "row_weight", slot: 3, buffer: self.row_weight, float: true, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "scores", slot: 4, buffer: &*self.scores, float: true, read_only: false, written: true, element_bytes: 4, any_float: false },
            Binding { name: "row_max", slot: 5, buffer: self.row_max, float: true, read_only: false, written: false, element_bytes: 4, any_float: false },
            Binding { name: "row_sum", slot: 6, buffer: self.row_sum, float: true, read_only: false, written: false, element_bytes: 4, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let candidate_ids = self.candidate_ids.read();
        let targets = self.targets.read();
        let row_weight = self.row_weight.read();
        let row_max = self.row_max.read();
        let row_sum = self.row_sum.read();
        let mut scores = self.scores.write();
        crate::cpu::contrastive::backward_scores(&self.params, (candidate_ids.u32(), targets.u32(), row_weight.f32(), row_max.f32(), row_sum.f32()), scores.f32_mut());
    }
}
