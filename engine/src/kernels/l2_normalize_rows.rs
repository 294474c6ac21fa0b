//! Signatures of `shaders/l2_normalize_rows.wgsl`, one struct per entry point.
//!
//! @generated from the shader; run `UPDATE_KERNELS=1 cargo test -p wgrad-codegen`. Do not edit.

#![cfg_attr(rustfmt, rustfmt::skip)]

use crate::device::{Binding, Buffer, Kernel};
pub use crate::params::l2_normalize::{Params};

/// The WGSL text, shared functions first.
pub const SOURCE: &str = concat!(
    include_str!("../../../shaders/l2_normalize_rows.wgsl"),
);

/// Entry point `forward`: reads x; writes y, norm.
pub struct Forward<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[N, C]`
    pub x: &'a Buffer,
    /// `[N, C]`
    pub y: &'a mut Buffer,
    /// `[N]`     n, kept for backward
    pub norm: &'a mut Buffer,
}

impl Kernel for Forward<'_> {
    const STEM: &'static str = "l2_normalize_rows";
    const ENTRY: &'static str = "forward";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [32, 1, 1];
    const USES_PARAMS: bool = true;

    fn params(&self) -> &[u8] {
        bytemuck::bytes_of(&self.params)
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "x", slot: 1, buffer: self.x, float: true, read_only: true, written: false, element_bytes: 16 },
            Binding { name: "y", slot: 2, buffer: &*self.y, float: true, read_only: false, written: true, element_bytes: 16 },
            Binding { name: "norm", slot: 3, buffer: &*self.norm, float: true, read_only: false, written: true, element_bytes: 4 },
        ]
    }

    fn on_cpu(self) {
        let x = self.x.read();
        let mut y = self.y.write();
        let mut norm = self.norm.write();
        crate::reference::l2_normalize::forward::<f32>(&self.params, x.f32(), (y.f32_mut(), norm.f32_mut()));
    }
}

/// Entry point `backward`: reads y, norm, dy; writes dx.
pub struct Backward<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[N, C]`
    pub y: &'a Buffer,
    /// `[N]`     n, kept for backward
    pub norm: &'a Buffer,
    /// `[N, C]`
    pub dy: &'a Buffer,
    /// `[N, C]`
    pub dx: &'a mut Buffer,
}

impl Kernel for Backward<'_> {
    const STEM: &'static str = "l2_normalize_rows";
    const ENTRY: &'static str = "backward";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [32, 1, 1];
    const USES_PARAMS: bool = true;

    fn params(&self) -> &[u8] {
        bytemuck::bytes_of(&self.params)
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "y", slot: 2, buffer: self.y, float: true, read_only: false, written: false, element_bytes: 16 },
            Binding { name: "norm", slot: 3, buffer: self.norm, float: true, read_only: false, written: false, element_bytes: 4 },
            Binding { name: "dy", slot: 4, buffer: self.dy, float: true, read_only: true, written: false, element_bytes: 16 },
            Binding { name: "dx", slot: 5, buffer: &*self.dx, float: true, read_only: false, written: true, element_bytes: 16 },
        ]
    }

    fn on_cpu(self) {
        let y = self.y.read();
        let norm = self.norm.read();
        let dy = self.dy.read();
        let mut dx = self.dx.write();
        crate::reference::l2_normalize::backward::<f32>(&self.params, (y.f32(), norm.f32(), dy.f32()), dx.f32_mut());
    }
}
