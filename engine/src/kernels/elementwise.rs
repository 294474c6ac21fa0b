//! Signatures of `shaders/elementwise.wgsl`, one struct per entry point.
//!
//! @generated from the shader; run `UPDATE_KERNELS=1 cargo test -p wgrad-codegen`. Do not edit.

#![cfg_attr(rustfmt, rustfmt::skip)]

use crate::device::{Binding, Buffer, Kernel};
pub use crate::params::elementwise::{Params};

/// The WGSL text, shared functions first.
pub const SOURCE: &str = concat!(
    include_str!("../../../shaders/shared/quads.wgsl"),
    include_str!("../../../shaders/elementwise.wgsl"),
);

/// Entry point `subtract`: reads a, b; writes y.
pub struct Subtract<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[n]`
    pub a: &'a Buffer,
    /// `[n]`
    pub b: &'a Buffer,
    /// `[n]`
    pub y: &'a mut Buffer,
}

impl Kernel for Subtract<'_> {
    const STEM: &'static str = "elementwise";
    const ENTRY: &'static str = "subtract";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [256, 1, 1];
    const USES_PARAMS: bool = true;

    fn params(&self) -> &[u8] {
        bytemuck::bytes_of(&self.params)
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "a", slot: 1, buffer: self.a, float: true, read_only: true, written: false, element_bytes: 16, any_float: false },
            Binding { name: "b", slot: 2, buffer: self.b, float: true, read_only: true, written: false, element_bytes: 16, any_float: false },
            Binding { name: "y", slot: 3, buffer: &*self.y, float: true, read_only: false, written: true, element_bytes: 16, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let a = self.a.read();
        let b = self.b.read();
        let mut y = self.y.write();
        crate::reference::elementwise::subtract::<f32>(&self.params, (a.f32(), b.f32()), y.f32_mut());
    }
}

/// Entry point `multiply`: reads a, b; writes y.
pub struct Multiply<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[n]`
    pub a: &'a Buffer,
    /// `[n]`
    pub b: &'a Buffer,
    /// `[n]`
    pub y: &'a mut Buffer,
}

impl Kernel for Multiply<'_> {
    const STEM: &'static str = "elementwise";
    const ENTRY: &'static str = "multiply";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [256, 1, 1];
    const USES_PARAMS: bool = true;

    fn params(&self) -> &[u8] {
        bytemuck::bytes_of(&self.params)
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "a", slot: 1, buffer: self.a, float: true, read_only: true, written: false, element_bytes: 16, any_float: false },
            Binding { name: "b", slot: 2, buffer: self.b, float: true, read_only: true, written: false, element_bytes: 16, any_float: false },
            Binding { name: "y", slot: 3, buffer: &*self.y, float: true, read_only: false, written: true, element_bytes: 16, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let a = self.a.read();
        let b = self.b.read();
        let mut y = self.y.write();
        crate::reference::elementwise::multiply::<f32>(&self.params, (a.f32(), b.f32()), y.f32_mut());
    }
}

/// Entry point `scale`: reads a; writes y.
pub struct Scale<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[n]`
    pub a: &'a Buffer,
    /// `[n]`
    pub y: &'a mut Buffer,
}

impl Kernel for Scale<'_> {
    const STEM: &'static str = "elementwise";
    const ENTRY: &'static str = "scale";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [256, 1, 1];
    const USES_PARAMS: bool = true;

    fn params(&self) -> &[u8] {
        bytemuck::bytes_of(&self.params)
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "a", slot: 1, buffer: self.a, float: true, read_only: true, written: false, element_bytes: 16, any_float: false },
            Binding { name: "y", slot: 3, buffer: &*self.y, float: true, read_only: false, written: true, element_bytes: 16, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let a = self.a.read();
        let mut y = self.y.write();
        crate::reference::elementwise::scale::<f32>(&self.params, a.f32(), y.f32_mut());
    }
}

/// Entry point `add_scaled`: reads a, b; writes y.
pub struct AddScaled<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[n]`
    pub a: &'a Buffer,
    /// `[n]`
    pub b: &'a Buffer,
    /// `[n]`
    pub y: &'a mut Buffer,
}

impl Kernel for AddScaled<'_> {
    const STEM: &'static str = "elementwise";
    const ENTRY: &'static str = "add_scaled";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [256, 1, 1];
    const USES_PARAMS: bool = true;

    fn params(&self) -> &[u8] {
        bytemuck::bytes_of(&self.params)
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "a", slot: 1, buffer: self.a, float: true, read_only: true, written: false, element_bytes: 16, any_float: false },
            Binding { name: "b", slot: 2, buffer: self.b, float: true, read_only: true, written: false, element_bytes: 16, any_float: false },
            Binding { name: "y", slot: 3, buffer: &*self.y, float: true, read_only: false, written: true, element_bytes: 16, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let a = self.a.read();
        let b = self.b.read();
        let mut y = self.y.write();
        crate::reference::elementwise::add_scaled::<f32>(&self.params, (a.f32(), b.f32()), y.f32_mut());
    }
}

/// Entry point `assign`: reads a; writes total.
pub struct Assign<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[n]`
    pub a: &'a Buffer,
    /// `[n]`  t
    pub total: &'a mut Buffer,
}

impl Kernel for Assign<'_> {
    const STEM: &'static str = "elementwise";
    const ENTRY: &'static str = "assign";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [256, 1, 1];
    const USES_PARAMS: bool = true;

    fn params(&self) -> &[u8] {
        bytemuck::bytes_of(&self.params)
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "a", slot: 1, buffer: self.a, float: true, read_only: true, written: false, element_bytes: 16, any_float: false },
            Binding { name: "total", slot: 4, buffer: &*self.total, float: true, read_only: false, written: true, element_bytes: 16, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let a = self.a.read();
        let mut total = self.total.write();
        crate::reference::elementwise::assign::<f32>(&self.params, a.f32(), total.f32_mut());
    }
}

/// Entry point `accumulate`: reads a; writes total.
pub struct Accumulate<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[n]`
    pub a: &'a Buffer,
    /// `[n]`  t
    pub total: &'a mut Buffer,
}

impl Kernel for Accumulate<'_> {
    const STEM: &'static str = "elementwise";
    const ENTRY: &'static str = "accumulate";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [256, 1, 1];
    const USES_PARAMS: bool = true;

    fn params(&self) -> &[u8] {
        bytemuck::bytes_of(&self.params)
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "a", slot: 1, buffer: self.a, float: true, read_only: true, written: false, element_bytes: 16, any_float: false },
            Binding { name: "total", slot: 4, buffer: &*self.total, float: true, read_only: false, written: true, element_bytes: 16, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let a = self.a.read();
        let mut total = self.total.write();
        crate::reference::elementwise::accumulate::<f32>(&self.params, a.f32(), total.f32_mut());
    }
}
