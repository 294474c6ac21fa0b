//! Signatures of `shaders/column_sums.wgsl`, one struct per entry point.
//!
//! @generated from the shader; run `UPDATE_KERNELS=1 cargo test -p wgrad-codegen`. Do not edit.

#![cfg_attr(rustfmt, rustfmt::skip)]

use crate::device::{Binding, Buffer, Kernel};
pub use crate::params::column_sums::{Params};

/// The WGSL text, shared functions first.
pub const SOURCE: &str = concat!(
    include_str!("../../../shaders/column_sums.wgsl"),
);

/// Entry point `sum_strips`: reads x; writes partials.
pub struct SumStrips<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[N, C]`
    pub x: &'a Buffer,
    /// `[P, C]`
    pub partials: &'a mut Buffer,
}

impl Kernel for SumStrips<'_> {
    const STEM: &'static str = "column_sums";
    const ENTRY: &'static str = "sum_strips";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [64, 1, 1];
    const USES_PARAMS: bool = true;

    fn params(&self) -> &[u8] {
        bytemuck::bytes_of(&self.params)
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "x", slot: 1, buffer: self.x, float: true, read_only: true, written: false, element_bytes: 4, any_float: true },
            Binding { name: "partials", slot: 2, buffer: &*self.partials, float: true, read_only: false, written: true, element_bytes: 4, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let x = self.x.read();
        let mut partials = self.partials.write();
        crate::reference::column_sums::sum_strips::<f32>(&self.params, x.f32(), partials.f32_mut());
    }
}

/// Entry point `combine`: reads strip_sums; writes y.
pub struct Combine<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[P, C]`
    pub strip_sums: &'a Buffer,
    /// `[C]`
    pub y: &'a mut Buffer,
}

impl Kernel for Combine<'_> {
    const STEM: &'static str = "column_sums";
    const ENTRY: &'static str = "combine";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [64, 1, 1];
    const USES_PARAMS: bool = true;

    fn params(&self) -> &[u8] {
        bytemuck::bytes_of(&self.params)
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "strip_sums", slot: 3, buffer: self.strip_sums, float: true, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "y", slot: 4, buffer: &*self.y, float: true, read_only: false, written: true, element_bytes: 4, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let strip_sums = self.strip_sums.read();
        let mut y = self.y.write();
        crate::reference::column_sums::combine::<f32>(&self.params, strip_sums.f32(), y.f32_mut());
    }
}

/// Entry point `backward`: reads dy; writes dx.
pub struct Backward<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[C]`
    pub dy: &'a Buffer,
    /// `[N, C]`
    pub dx: &'a mut Buffer,
}

impl Kernel for Backward<'_> {
    const STEM: &'static str = "column_sums";
    const ENTRY: &'static str = "backward";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [64, 1, 1];
    const USES_PARAMS: bool = true;

    fn params(&self) -> &[u8] {
        bytemuck::bytes_of(&self.params)
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "dy", slot: 5, buffer: self.dy, float: true, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "dx", slot: 6, buffer: &*self.dx, float: true, read_only: false, written: true, element_bytes: 4, any_float: true },
        ]
    }

    fn on_cpu(self) {
        let dy = self.dy.read();
        let mut dx = self.dx.write();
        crate::reference::column_sums::backward::<f32>(&self.params, dy.f32(), dx.f32_mut());
    }
}
