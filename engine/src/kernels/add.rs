//! Signatures of `shaders/add.wgsl`, one struct per entry point.
//!
//! @generated from the shader; run `UPDATE_KERNELS=1 cargo test -p wgrad-codegen`. Do not edit.

#![cfg_attr(rustfmt, rustfmt::skip)]

use crate::device::{Binding, Buffer, Kernel};
pub use crate::params::add::{Params};

/// The WGSL text, shared functions first.
pub const SOURCE: &str = concat!(
    include_str!("../../../shaders/add.wgsl"),
);

/// Entry point `forward`: reads a, b; writes y.
pub struct Forward<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[N]`
    pub a: &'a Buffer,
    /// `[N]`
    pub b: &'a Buffer,
    /// `[N]`
    pub y: &'a mut Buffer,
}

impl Kernel for Forward<'_> {
    const STEM: &'static str = "add";
    const ENTRY: &'static str = "forward";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [256, 1, 1];
    const USES_PARAMS: bool = true;

    fn params(&self) -> &[u8] {
        bytemuck::bytes_of(&self.params)
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "a", slot: 1, buffer: self.a, float: true, read_only: true, written: false, element_bytes: 16, any_float: true },
            Binding { name: "b", slot: 2, buffer: self.b, float: true, read_only: true, written: false, element_bytes: 16, any_float: true },
            Binding { name: "y", slot: 3, buffer: &*self.y, float: true, read_only: false, written: true, element_bytes: 16, any_float: true },
        ]
    }

    fn on_cpu(self) {
        let a = self.a.read();
        let b = self.b.read();
        let mut y = self.y.write();
        crate::reference::add::forward::<f32>(&self.params, (a.f32(), b.f32()), y.f32_mut());
    }
}
