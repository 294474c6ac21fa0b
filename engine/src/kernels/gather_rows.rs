//! Signatures of `shaders/gather_rows.wgsl`, one struct per entry point.
//!
//! @generated from the shader; run `UPDATE_KERNELS=1 cargo test -p wgrad-codegen`. Do not edit.

#![cfg_attr(rustfmt, rustfmt::skip)]

use crate::device::{Binding, Buffer, Kernel};
pub use crate::params::gather_rows::{Params};

/// The WGSL text, shared functions first.
pub const SOURCE: &str = concat!(
    include_str!("../../../shaders/gather_rows.wgsl"),
);

/// Entry point `forward`: reads x, rows; writes y.
pub struct Forward<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[N, H]`
    pub x: &'a Buffer,
    /// `[R]`
    pub rows: &'a Buffer,
    /// `[R, H]`
    pub y: &'a mut Buffer,
}

impl Kernel for Forward<'_> {
    const STEM: &'static str = "gather_rows";
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
            Binding { name: "rows", slot: 2, buffer: self.rows, float: false, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "y", slot: 3, buffer: &*self.y, float: true, read_only: false, written: true, element_bytes: 4, any_float: true },
        ]
    }

    fn on_cpu(self) {
        let x = self.x.read();
        let rows = self.rows.read();
        let mut y = self.y.write();
        crate::reference::gather_rows::forward::<f32>(&self.params, (x.f32(), rows.u32()), y.f32_mut());
    }
}

/// Entry point `backward`: reads dy, slots; writes dx.
pub struct Backward<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[R, H]`
    pub dy: &'a Buffer,
    /// `[N]`
    pub slots: &'a Buffer,
    /// `[N, H]`
    pub dx: &'a mut Buffer,
}

impl Kernel for Backward<'_> {
    const STEM: &'static str = "gather_rows";
    const ENTRY: &'static str = "backward";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [64, 1, 1];
    const USES_PARAMS: bool = true;

    fn params(&self) -> &[u8] {
        bytemuck::bytes_of(&self.params)
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "dy", slot: 4, buffer: self.dy, float: true, read_only: true, written: false, element_bytes: 4, any_float: true },
            Binding { name: "slots", slot: 5, buffer: self.slots, float: false, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "dx", slot: 6, buffer: &*self.dx, float: true, read_only: false, written: true, element_bytes: 4, any_float: true },
        ]
    }

    fn on_cpu(self) {
        let dy = self.dy.read();
        let slots = self.slots.read();
        let mut dx = self.dx.write();
        crate::reference::gather_rows::backward::<f32>(&self.params, (dy.f32(), slots.u32()), dx.f32_mut());
    }
}
