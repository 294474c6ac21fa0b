//! Signatures of `shaders/replace_rows.wgsl`, one struct per entry point.
//!
//! @generated from the shader; run `UPDATE_KERNELS=1 cargo test -p wgrad-codegen`. Do not edit.

#![cfg_attr(rustfmt, rustfmt::skip)]

use crate::device::{Binding, Buffer, Kernel};
pub use crate::params::replace_rows::{Params};

/// The WGSL text, shared functions first.
pub const SOURCE: &str = concat!(
    include_str!("../../../shaders/replace_rows.wgsl"),
);

/// Entry point `forward`: reads x, values, slots; writes y.
pub struct Forward<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[N, H]`
    pub x: &'a Buffer,
    /// `[R, H]`
    pub values: &'a Buffer,
    /// `[N]`
    pub slots: &'a Buffer,
    /// `[N, H]`
    pub y: &'a mut Buffer,
}

impl Kernel for Forward<'_> {
    const STEM: &'static str = "replace_rows";
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
            Binding { name: "values", slot: 2, buffer: self.values, float: true, read_only: true, written: false, element_bytes: 4, any_float: true },
            Binding { name: "slots", slot: 3, buffer: self.slots, float: false, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "y", slot: 4, buffer: &*self.y, float: true, read_only: false, written: true, element_bytes: 4, any_float: true },
        ]
    }

    fn on_cpu(self) {
        let x = self.x.read();
        let values = self.values.read();
        let slots = self.slots.read();
        let mut y = self.y.write();
        crate::reference::replace_rows::forward::<f32>(&self.params, (x.f32(), values.f32(), slots.u32()), y.f32_mut());
    }
}

/// Entry point `backward_x`: reads slots, dy; writes dx.
pub struct BackwardX<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[N]`
    pub slots: &'a Buffer,
    /// `[N, H]`
    pub dy: &'a Buffer,
    /// `[N, H]`
    pub dx: &'a mut Buffer,
}

impl Kernel for BackwardX<'_> {
    const STEM: &'static str = "replace_rows";
    const ENTRY: &'static str = "backward_x";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [64, 1, 1];
    const USES_PARAMS: bool = true;

    fn params(&self) -> &[u8] {
        bytemuck::bytes_of(&self.params)
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "slots", slot: 3, buffer: self.slots, float: false, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "dy", slot: 5, buffer: self.dy, float: true, read_only: true, written: false, element_bytes: 4, any_float: true },
            Binding { name: "dx", slot: 7, buffer: &*self.dx, float: true, read_only: false, written: true, element_bytes: 4, any_float: true },
        ]
    }

    fn on_cpu(self) {
        let slots = self.slots.read();
        let dy = self.dy.read();
        let mut dx = self.dx.write();
        crate::reference::replace_rows::backward_x::<f32>(&self.params, (slots.u32(), dy.f32()), dx.f32_mut());
    }
}

/// Entry point `backward_values`: reads dy, rows; writes dvalues.
pub struct BackwardValues<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[N, H]`
    pub dy: &'a Buffer,
    /// `[R]`
    pub rows: &'a Buffer,
    /// `[R, H]`
    pub dvalues: &'a mut Buffer,
}

impl Kernel for BackwardValues<'_> {
    const STEM: &'static str = "replace_rows";
    const ENTRY: &'static str = "backward_values";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [64, 1, 1];
    const USES_PARAMS: bool = true;

    fn params(&self) -> &[u8] {
        bytemuck::bytes_of(&self.params)
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "dy", slot: 5, buffer: self.dy, float: true, read_only: true, written: false, element_bytes: 4, any_float: true },
            Binding { name: "rows", slot: 6, buffer: self.rows, float: false, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "dvalues", slot: 8, buffer: &*self.dvalues, float: true, read_only: false, written: true, element_bytes: 4, any_float: true },
        ]
    }

    fn on_cpu(self) {
        let dy = self.dy.read();
        let rows = self.rows.read();
        let mut dvalues = self.dvalues.write();
        crate::reference::replace_rows::backward_values::<f32>(&self.params, (dy.f32(), rows.u32()), dvalues.f32_mut());
    }
}
