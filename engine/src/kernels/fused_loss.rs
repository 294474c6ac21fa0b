//! Signatures of `shaders/fused_loss.wgsl`, one struct per entry point.
//!
//! @generated from the shader; run `UPDATE_KERNELS=1 cargo test -p wgrad-codegen`. Do not edit.

#![cfg_attr(rustfmt, rustfmt::skip)]

use crate::device::{Binding, Buffer, Kernel};
pub use crate::params::fused_loss::{Params};

/// The WGSL text, shared functions first.
pub const SOURCE: &str = concat!(
    include_str!("../../../shaders/shared/lanes.wgsl"),
    include_str!("../../../shaders/fused_loss.wgsl"),
);

/// Entry point `forward`: reads row_losses, row_weight; writes loss.
pub struct Forward<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[R]`  ℓ, 0 where a row does not count
    pub row_losses: &'a Buffer,
    /// `[1]`  w
    pub row_weight: &'a Buffer,
    /// `[1]`  L
    pub loss: &'a mut Buffer,
}

impl Kernel for Forward<'_> {
    const STEM: &'static str = "fused_loss";
    const ENTRY: &'static str = "forward";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [256, 1, 1];
    const USES_PARAMS: bool = true;

    fn params(&self) -> &[u8] {
        bytemuck::bytes_of(&self.params)
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "row_losses", slot: 1, buffer: self.row_losses, float: true, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "row_weight", slot: 2, buffer: self.row_weight, float: true, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "loss", slot: 3, buffer: &*self.loss, float: true, read_only: false, written: true, element_bytes: 4, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let row_losses = self.row_losses.read();
        let row_weight = self.row_weight.read();
        let mut loss = self.loss.write();
        crate::reference::fused_loss::forward::<f32>(&self.params, (row_losses.f32(), row_weight.f32()), loss.f32_mut());
    }
}

/// Entry point `accumulate`: reads share; writes gradient.
pub struct Accumulate<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[E]`  δ
    pub share: &'a Buffer,
    /// `[E]`  g
    pub gradient: &'a mut Buffer,
}

impl Kernel for Accumulate<'_> {
    const STEM: &'static str = "fused_loss";
    const ENTRY: &'static str = "accumulate";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [256, 1, 1];
    const USES_PARAMS: bool = true;

    fn params(&self) -> &[u8] {
        bytemuck::bytes_of(&self.params)
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "share", slot: 5, buffer: self.share, float: true, read_only: true, written: false, element_bytes: 16, any_float: false },
            Binding { name: "gradient", slot: 6, buffer: &*self.gradient, float: true, read_only: false, written: true, element_bytes: 16, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let share = self.share.read();
        let mut gradient = self.gradient.write();
        crate::reference::fused_loss::accumulate::<f32>(&self.params, share.f32(), gradient.f32_mut());
    }
}

/// Entry point `backward`: reads dloss; writes gradient.
pub struct Backward<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[1]`  dL
    pub dloss: &'a Buffer,
    /// `[E]`  g
    pub gradient: &'a mut Buffer,
}

impl Kernel for Backward<'_> {
    const STEM: &'static str = "fused_loss";
    const ENTRY: &'static str = "backward";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [256, 1, 1];
    const USES_PARAMS: bool = true;

    fn params(&self) -> &[u8] {
        bytemuck::bytes_of(&self.params)
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "dloss", slot: 4, buffer: self.dloss, float: true, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "gradient", slot: 6, buffer: &*self.gradient, float: true, read_only: false, written: true, element_bytes: 16, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let dloss = self.dloss.read();
        let mut gradient = self.gradient.write();
        crate::reference::fused_loss::backward::<f32>(&self.params, dloss.f32(), gradient.f32_mut());
    }
}
