//! Signatures of `shaders/gelu.wgsl`, one struct per entry point.
//!
//! @generated from the shader; run `UPDATE_KERNELS=1 cargo test -p wgrad-codegen`. Do not edit.

#![cfg_attr(rustfmt, rustfmt::skip)]

use crate::device::{Binding, Buffer, Kernel};
pub use crate::params::gelu::{Params};

/// The WGSL text, shared functions first.
pub const SOURCE: &str = concat!(
    include_str!("../../../shaders/shared/quads.wgsl"),
    include_str!("../../../shaders/shared/gelu.wgsl"),
    include_str!("../../../shaders/gelu.wgsl"),
);

/// Entry point `forward`: reads x; writes y.
pub struct Forward<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[n]`
    pub x: &'a Buffer,
    /// `[n]`
    pub y: &'a mut Buffer,
}

impl Kernel for Forward<'_> {
    const STEM: &'static str = "gelu";
    const ENTRY: &'static str = "forward";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [256, 1, 1];
    const USES_PARAMS: bool = true;

    fn params(&self) -> &[u8] {
        bytemuck::bytes_of(&self.params)
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "x", slot: 1, buffer: self.x, float: true, read_only: true, written: false, element_bytes: 16, any_float: true },
            Binding { name: "y", slot: 2, buffer: &*self.y, float: true, read_only: false, written: true, element_bytes: 16, any_float: true },
        ]
    }

    fn on_cpu(self) {
        let x = self.x.read();
        let mut y = self.y.write();
        crate::cpu::gelu::forward(&self.params, x.f32(), y.f32_mut());
    }
}

/// Entry point `backward`: reads x, dy; writes dx.
pub struct Backward<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[n]`
    pub x: &'a Buffer,
    /// `[n]`
    pub dy: &'a Buffer,
    /// `[n]`
    pub dx: &'a mut Buffer,
}

impl Kernel for Backward<'_> {
    const STEM: &'static str = "gelu";
    const ENTRY: &'static str = "backward";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [256, 1, 1];
    const USES_PARAMS: bool = true;

    fn params(&self) -> &[u8] {
        bytemuck::bytes_of(&self.params)
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "x", slot: 1, buffer: self.x, float: true, read_only: true, written: false, element_bytes: 16, any_float: true },
            Binding { name: "dy", slot: 3, buffer: self.dy, float: true, read_only: true, written: false, element_bytes: 16, any_float: true },
            Binding { name: "dx", slot: 4, buffer: &*self.dx, float: true, read_only: false, written: true, element_bytes: 16, any_float: true },
        ]
    }

    fn on_cpu(self) {
        let x = self.x.read();
        let dy = self.dy.read();
        let mut dx = self.dx.write();
        crate::cpu::gelu::backward(&self.params, (x.f32(), dy.f32()), dx.f32_mut());
    }
}
