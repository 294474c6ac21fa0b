//! Signatures of `shaders/contrastive.wgsl`, one struct per entry point.
//!
//! @generated from the shader; run `UPDATE_KERNELS=1 cargo test -p wgrad-codegen`. Do not edit.

#![cfg_attr(rustfmt, rustfmt::skip)]

use crate::device::{Binding, Buffer, Kernel};
pub use crate::params::contrastive::{Constants, Params};

/// The WGSL text, shared functions first.
pub const SOURCE: &str = concat!(
    include_str!("../../../shaders/shared/row_share.wgsl"),
    include_str!("../../../shaders/contrastive.wgsl"),
);

/// Entry point `forward`: reads candidate_ids, targets, log_scale, scores; writes row_stats, positives, row_losses, log_sums.
pub struct Forward<'a> {
    /// Its uniforms.
    pub params: Params,
    /// What its pipeline is compiled with.
    pub constants: Constants,
    /// `[N]`     equal ids are the same passage
    pub candidate_ids: &'a Buffer,
    /// `[C]`     t, or IGNORED
    pub targets: &'a Buffer,
    /// `[1]`     a
    pub log_scale: &'a Buffer,
    /// `[C, N]`  q·pᵀ, then G
    pub scores: &'a Buffer,
    /// `[C]`     m, Σ
    pub row_stats: &'a mut Buffer,
    /// `[C]`     s_t, 0 for IGNORED
    pub positives: &'a mut Buffer,
    /// `[C]`     ℓ, then ½·(ℓ + ℓ′)
    pub row_losses: &'a mut Buffer,
    /// `[C]`     Λ
    pub log_sums: &'a mut Buffer,
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

    fn constants(&self) -> Vec<(&'static str, f64)> {
        vec![
            ("ROW_LANES", f64::from(self.constants.row_lanes)),
        ]
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "candidate_ids", slot: 1, buffer: self.candidate_ids, float: false, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "targets", slot: 2, buffer: self.targets, float: false, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "log_scale", slot: 4, buffer: self.log_scale, float: true, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "scores", slot: 6, buffer: self.scores, float: true, read_only: false, written: false, element_bytes: 4, any_float: false },
            Binding { name: "row_stats", slot: 7, buffer: &*self.row_stats, float: true, read_only: false, written: true, element_bytes: 8, any_float: false },
            Binding { name: "positives", slot: 8, buffer: &*self.positives, float: true, read_only: false, written: true, element_bytes: 4, any_float: false },
            Binding { name: "row_losses", slot: 9, buffer: &*self.row_losses, float: true, read_only: false, written: true, element_bytes: 4, any_float: false },
            Binding { name: "log_sums", slot: 10, buffer: &*self.log_sums, float: true, read_only: false, written: true, element_bytes: 4, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let candidate_ids = self.candidate_ids.read();
        let targets = self.targets.read();
        let log_scale = self.log_scale.read();
        let scores = self.scores.read();
        let mut row_stats = self.row_stats.write();
        let mut positives = self.positives.write();
        let mut row_losses = self.row_losses.write();
        let mut log_sums = self.log_sums.write();
        crate::cpu::contrastive::forward(&self.params, (candidate_ids.u32(), targets.u32(), log_scale.f32(), scores.f32()), (row_stats.f32_mut(), positives.f32_mut(), row_losses.f32_mut(), log_sums.f32_mut()));
    }
}

/// Entry point `column_partials`: reads candidate_ids, targets, log_scale, scores; writes partial_stats.
pub struct ColumnPartials<'a> {
    /// Its uniforms.
    pub params: Params,
    /// What its pipeline is compiled with.
    pub constants: Constants,
    /// `[N]`     equal ids are the same passage
    pub candidate_ids: &'a Buffer,
    /// `[C]`     t, or IGNORED
    pub targets: &'a Buffer,
    /// `[1]`     a
    pub log_scale: &'a Buffer,
    /// `[C, N]`  q·pᵀ, then G
    pub scores: &'a Buffer,
    /// `[⌈C/S⌉, N]`  m′, Σ′ of a strip
    pub partial_stats: &'a mut Buffer,
}

impl Kernel for ColumnPartials<'_> {
    const STEM: &'static str = "contrastive";
    const ENTRY: &'static str = "column_partials";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [256, 1, 1];
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
            Binding { name: "candidate_ids", slot: 1, buffer: self.candidate_ids, float: false, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "targets", slot: 2, buffer: self.targets, float: false, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "log_scale", slot: 4, buffer: self.log_scale, float: true, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "scores", slot: 6, buffer: self.scores, float: true, read_only: false, written: false, element_bytes: 4, any_float: false },
            Binding { name: "partial_stats", slot: 11, buffer: &*self.partial_stats, float: true, read_only: false, written: true, element_bytes: 8, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let candidate_ids = self.candidate_ids.read();
        let targets = self.targets.read();
        let log_scale = self.log_scale.read();
        let scores = self.scores.read();
        let mut partial_stats = self.partial_stats.write();
        crate::cpu::contrastive::column_partials(&self.params, (candidate_ids.u32(), targets.u32(), log_scale.f32(), scores.f32()), partial_stats.f32_mut());
    }
}

/// Entry point `column_merge`: reads partial_stats; writes column_stats.
pub struct ColumnMerge<'a> {
    /// Its uniforms.
    pub params: Params,
    /// What its pipeline is compiled with.
    pub constants: Constants,
    /// `[⌈C/S⌉, N]`  m′, Σ′ of a strip
    pub partial_stats: &'a Buffer,
    /// `[N]`     m′, Σ′
    pub column_stats: &'a mut Buffer,
}

impl Kernel for ColumnMerge<'_> {
    const STEM: &'static str = "contrastive";
    const ENTRY: &'static str = "column_merge";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [256, 1, 1];
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
            Binding { name: "partial_stats", slot: 11, buffer: self.partial_stats, float: true, read_only: false, written: false, element_bytes: 8, any_float: false },
            Binding { name: "column_stats", slot: 12, buffer: &*self.column_stats, float: true, read_only: false, written: true, element_bytes: 8, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let partial_stats = self.partial_stats.read();
        let mut column_stats = self.column_stats.write();
        crate::reference::contrastive::column_merge::<f32>(&self.params, partial_stats.f32(), column_stats.f32_mut());
    }
}

/// Entry point `column_losses`: reads targets, positives, column_stats; writes row_losses.
pub struct ColumnLosses<'a> {
    /// Its uniforms.
    pub params: Params,
    /// What its pipeline is compiled with.
    pub constants: Constants,
    /// `[C]`     t, or IGNORED
    pub targets: &'a Buffer,
    /// `[C]`     s_t, 0 for IGNORED
    pub positives: &'a Buffer,
    /// `[C]`     ℓ, then ½·(ℓ + ℓ′)
    pub row_losses: &'a mut Buffer,
    /// `[N]`     m′, Σ′
    pub column_stats: &'a Buffer,
}

impl Kernel for ColumnLosses<'_> {
    const STEM: &'static str = "contrastive";
    const ENTRY: &'static str = "column_losses";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [256, 1, 1];
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
            Binding { name: "targets", slot: 2, buffer: self.targets, float: false, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "positives", slot: 8, buffer: self.positives, float: true, read_only: false, written: false, element_bytes: 4, any_float: false },
            Binding { name: "row_losses", slot: 9, buffer: &*self.row_losses, float: true, read_only: false, written: true, element_bytes: 4, any_float: false },
            Binding { name: "column_stats", slot: 12, buffer: self.column_stats, float: true, read_only: false, written: false, element_bytes: 8, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let targets = self.targets.read();
        let positives = self.positives.read();
        let column_stats = self.column_stats.read();
        let mut row_losses = self.row_losses.write();
        crate::reference::contrastive::column_losses::<f32>(&self.params, (targets.u32(), positives.f32(), column_stats.f32()), row_losses.f32_mut());
    }
}

/// Entry point `backward_scores`: reads candidate_ids, targets, log_scale, row_weight, row_stats; writes scores.
pub struct BackwardScores<'a> {
    /// Its uniforms.
    pub params: Params,
    /// What its pipeline is compiled with.
    pub constants: Constants,
    /// `[N]`     equal ids are the same passage
    pub candidate_ids: &'a Buffer,
    /// `[C]`     t, or IGNORED
    pub targets: &'a Buffer,
    /// `[1]`     a
    pub log_scale: &'a Buffer,
    /// `[1]`     w
    pub row_weight: &'a Buffer,
    /// `[C, N]`  q·pᵀ, then G
    pub scores: &'a mut Buffer,
    /// `[C]`     m, Σ
    pub row_stats: &'a Buffer,
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

    fn constants(&self) -> Vec<(&'static str, f64)> {
        vec![
            ("ROW_LANES", f64::from(self.constants.row_lanes)),
        ]
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "candidate_ids", slot: 1, buffer: self.candidate_ids, float: false, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "targets", slot: 2, buffer: self.targets, float: false, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "log_scale", slot: 4, buffer: self.log_scale, float: true, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "row_weight", slot: 5, buffer: self.row_weight, float: true, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "scores", slot: 6, buffer: &*self.scores, float: true, read_only: false, written: true, element_bytes: 4, any_float: false },
            Binding { name: "row_stats", slot: 7, buffer: self.row_stats, float: true, read_only: false, written: false, element_bytes: 8, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let candidate_ids = self.candidate_ids.read();
        let targets = self.targets.read();
        let log_scale = self.log_scale.read();
        let row_weight = self.row_weight.read();
        let row_stats = self.row_stats.read();
        let mut scores = self.scores.write();
        crate::cpu::contrastive::backward_scores(&self.params, (candidate_ids.u32(), targets.u32(), log_scale.f32(), row_weight.f32(), row_stats.f32()), scores.f32_mut());
    }
}

/// Entry point `backward_both`: reads candidate_ids, targets, sources, log_scale, row_weight, row_stats, column_stats; writes scores.
pub struct BackwardBoth<'a> {
    /// Its uniforms.
    pub params: Params,
    /// What its pipeline is compiled with.
    pub constants: Constants,
    /// `[N]`     equal ids are the same passage
    pub candidate_ids: &'a Buffer,
    /// `[C]`     t, or IGNORED
    pub targets: &'a Buffer,
    /// `[N]`     whose target it is, or IGNORED
    pub sources: &'a Buffer,
    /// `[1]`     a
    pub log_scale: &'a Buffer,
    /// `[1]`     w
    pub row_weight: &'a Buffer,
    /// `[C, N]`  q·pᵀ, then G
    pub scores: &'a mut Buffer,
    /// `[C]`     m, Σ
    pub row_stats: &'a Buffer,
    /// `[N]`     m′, Σ′
    pub column_stats: &'a Buffer,
}

impl Kernel for BackwardBoth<'_> {
    const STEM: &'static str = "contrastive";
    const ENTRY: &'static str = "backward_both";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [256, 1, 1];
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
            Binding { name: "candidate_ids", slot: 1, buffer: self.candidate_ids, float: false, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "targets", slot: 2, buffer: self.targets, float: false, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "sources", slot: 3, buffer: self.sources, float: false, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "log_scale", slot: 4, buffer: self.log_scale, float: true, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "row_weight", slot: 5, buffer: self.row_weight, float: true, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "scores", slot: 6, buffer: &*self.scores, float: true, read_only: false, written: true, element_bytes: 4, any_float: false },
            Binding { name: "row_stats", slot: 7, buffer: self.row_stats, float: true, read_only: false, written: false, element_bytes: 8, any_float: false },
            Binding { name: "column_stats", slot: 12, buffer: self.column_stats, float: true, read_only: false, written: false, element_bytes: 8, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let candidate_ids = self.candidate_ids.read();
        let targets = self.targets.read();
        let sources = self.sources.read();
        let log_scale = self.log_scale.read();
        let row_weight = self.row_weight.read();
        let row_stats = self.row_stats.read();
        let column_stats = self.column_stats.read();
        let mut scores = self.scores.write();
        crate::cpu::contrastive::backward_both(&self.params, (candidate_ids.u32(), targets.u32(), sources.u32(), log_scale.f32(), row_weight.f32(), row_stats.f32(), column_stats.f32()), scores.f32_mut());
    }
}

/// Entry point `backward_rows`: reads candidate_ids, targets, log_scale, row_stats, drows; writes scores.
pub struct BackwardRows<'a> {
    /// Its uniforms.
    pub params: Params,
    /// What its pipeline is compiled with.
    pub constants: Constants,
    /// `[N]`     equal ids are the same passage
    pub candidate_ids: &'a Buffer,
    /// `[C]`     t, or IGNORED
    pub targets: &'a Buffer,
    /// `[1]`     a
    pub log_scale: &'a Buffer,
    /// `[C, N]`  q·pᵀ, then G
    pub scores: &'a mut Buffer,
    /// `[C]`     m, Σ
    pub row_stats: &'a Buffer,
    /// `[C]`     of ℓ or Λ
    pub drows: &'a Buffer,
}

impl Kernel for BackwardRows<'_> {
    const STEM: &'static str = "contrastive";
    const ENTRY: &'static str = "backward_rows";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [256, 1, 1];
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
            Binding { name: "candidate_ids", slot: 1, buffer: self.candidate_ids, float: false, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "targets", slot: 2, buffer: self.targets, float: false, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "log_scale", slot: 4, buffer: self.log_scale, float: true, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "scores", slot: 6, buffer: &*self.scores, float: true, read_only: false, written: true, element_bytes: 4, any_float: false },
            Binding { name: "row_stats", slot: 7, buffer: self.row_stats, float: true, read_only: false, written: false, element_bytes: 8, any_float: false },
            Binding { name: "drows", slot: 13, buffer: self.drows, float: true, read_only: true, written: false, element_bytes: 4, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let candidate_ids = self.candidate_ids.read();
        let targets = self.targets.read();
        let log_scale = self.log_scale.read();
        let row_stats = self.row_stats.read();
        let drows = self.drows.read();
        let mut scores = self.scores.write();
        crate::cpu::contrastive::backward_rows(&self.params, (candidate_ids.u32(), targets.u32(), log_scale.f32(), row_stats.f32(), drows.f32()), scores.f32_mut());
    }
}
