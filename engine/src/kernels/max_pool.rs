//! Signatures of `shaders/max_pool.wgsl`, one struct per entry point.
//!
//! @generated from the shader; run `UPDATE_KERNELS=1 cargo test -p wgrad-codegen`. Do not edit.

#![cfg_attr(rustfmt, rustfmt::skip)]

use crate::device::{Binding, Buffer, Kernel};
pub use crate::params::max_pool::{Params};

/// The WGSL text, shared functions first.
pub const SOURCE: &str = concat!(
    include_str!("../../../shaders/max_pool.wgsl"),
);

/// Entry point `forward`: reads x, lengths; writes y, positions.
pub struct Forward<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[B, T, H]`
    pub x: &'a Buffer,
    /// `[B]`     visible tokens
    pub lengths: &'a Buffer,
    /// `[B, H]`
    pub y: &'a mut Buffer,
    /// `[B, H]`  a
    pub positions: &'a mut Buffer,
}

impl Kernel for Forward<'_> {
    const STEM: &'static str = "max_pool";
    const ENTRY: &'static str = "forward";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [64, 1, 1];
    const USES_PARAMS: bool = true;

    fn params(&self) -> &[u8] {
        bytemuck::bytes_of(&self.params)
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "x", slot: 1, buffer: self.x, float: true, read_only: true, written: false, element_bytes: 4, any_float: true },
            Binding { name: "lengths", slot: 2, buffer: self.lengths, float: false, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "y", slot: 3, buffer: &*self.y, float: true, read_only: false, written: true, element_bytes: 4, any_float: false },
            Binding { name: "positions", slot: 4, buffer: &*self.positions, float: false, read_only: false, written: true, element_bytes: 4, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let x = self.x.read();
        let lengths = self.lengths.read();
        let mut y = self.y.write();
        let mut positions = self.positions.write();
        crate::reference::max_pool::forward::<f32>(&self.params, (x.f32(), lengths.u32()), (y.f32_mut(), positions.u32_mut()));
    }
}

/// Entry point `backward`: reads positions, dy; writes dx.
pub struct Backward<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[B, H]`  a
    pub positions: &'a Buffer,
    /// `[B, H]`
    pub dy: &'a Buffer,
    /// `[B, T, H]`
    pub dx: &'a mut Buffer,
}

impl Kernel for Backward<'_> {
    const STEM: &'static str = "max_pool";
    const ENTRY: &'static str = "backward";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [64, 1, 1];
    const USES_PARAMS: bool = true;

    fn params(&self) -> &[u8] {
        bytemuck::bytes_of(&self.params)
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "positions", slot: 4, buffer: self.positions, float: false, read_only: false, written: false, element_bytes: 4, any_float: false },
            Binding { name: "dy", slot: 5, buffer: self.dy, float: true, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "dx", slot: 6, buffer: &*self.dx, float: true, read_only: false, written: true, element_bytes: 4, any_float: true },
        ]
    }

    fn on_cpu(self) {
        let positions = self.positions.read();
        let dy = self.dy.read();
        let mut dx = self.dx.write();
        crate::reference::max_pool::backward::<f32>(&self.params, (positions.u32(), dy.f32()), dx.f32_mut());
    }
}
