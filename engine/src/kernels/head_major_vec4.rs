//! Signatures of `shaders/head_major_vec4.wgsl`, one struct per entry point.
//!
//! @generated from the shader; run `UPDATE_KERNELS=1 cargo test -p wgrad-codegen`. Do not edit.

#![cfg_attr(rustfmt, rustfmt::skip)]

use crate::device::{Binding, Buffer, Kernel};
pub use crate::params::head_major::{Params};

/// The WGSL text, shared functions first.
pub const SOURCE: &str = concat!(
    include_str!("../../../shaders/shared/head_place.wgsl"),
    include_str!("../../../shaders/head_major_vec4.wgsl"),
);

/// Entry point `forward`: reads x; writes y.
pub struct Forward<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[B, T, A, D]`
    pub x: &'a Buffer,
    /// `[C, E, U, D]`
    pub y: &'a mut Buffer,
}

impl Kernel for Forward<'_> {
    const STEM: &'static str = "head_major_vec4";
    const ENTRY: &'static str = "forward";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [256, 1, 1];
    const USES_PARAMS: bool = true;

    fn params(&self) -> &[u8] {
        bytemuck::bytes_of(&self.params)
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "x", slot: 1, buffer: self.x, float: true, read_only: true, written: false, element_bytes: 16, any_float: false },
            Binding { name: "y", slot: 3, buffer: &*self.y, float: true, read_only: false, written: true, element_bytes: 16, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let x = self.x.read();
        let mut y = self.y.write();
        crate::reference::head_major::forward::<f32>(&self.params, x.f32(), y.f32_mut());
    }
}

/// Entry point `forward_biased`: reads x, bias; writes y.
pub struct ForwardBiased<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[B, T, A, D]`
    pub x: &'a Buffer,
    /// `[A, D]`  β
    pub bias: &'a Buffer,
    /// `[C, E, U, D]`
    pub y: &'a mut Buffer,
}

impl Kernel for ForwardBiased<'_> {
    const STEM: &'static str = "head_major_vec4";
    const ENTRY: &'static str = "forward_biased";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [256, 1, 1];
    const USES_PARAMS: bool = true;

    fn params(&self) -> &[u8] {
        bytemuck::bytes_of(&self.params)
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "x", slot: 1, buffer: self.x, float: true, read_only: true, written: false, element_bytes: 16, any_float: false },
            Binding { name: "bias", slot: 2, buffer: self.bias, float: true, read_only: true, written: false, element_bytes: 16, any_float: false },
            Binding { name: "y", slot: 3, buffer: &*self.y, float: true, read_only: false, written: true, element_bytes: 16, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let x = self.x.read();
        let bias = self.bias.read();
        let mut y = self.y.write();
        crate::reference::head_major::forward_biased::<f32>(&self.params, (x.f32(), bias.f32()), y.f32_mut());
    }
}

/// Entry point `backward`: reads dy; writes dx.
pub struct Backward<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[C, E, U, D]`
    pub dy: &'a Buffer,
    /// `[B, T, A, D]`  the chunk's part
    pub dx: &'a mut Buffer,
}

impl Kernel for Backward<'_> {
    const STEM: &'static str = "head_major_vec4";
    const ENTRY: &'static str = "backward";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [256, 1, 1];
    const USES_PARAMS: bool = true;

    fn params(&self) -> &[u8] {
        bytemuck::bytes_of(&self.params)
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "dy", slot: 4, buffer: self.dy, float: true, read_only: true, written: false, element_bytes: 16, any_float: false },
            Binding { name: "dx", slot: 5, buffer: &*self.dx, float: true, read_only: false, written: true, element_bytes: 16, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let dy = self.dy.read();
        let mut dx = self.dx.write();
        crate::reference::head_major::backward::<f32>(&self.params, dy.f32(), dx.f32_mut());
    }
}

/// Entry point `backward_add`: reads dy; writes dx.
pub struct BackwardAdd<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[C, E, U, D]`
    pub dy: &'a Buffer,
    /// `[B, T, A, D]`  the chunk's part
    pub dx: &'a mut Buffer,
}

impl Kernel for BackwardAdd<'_> {
    const STEM: &'static str = "head_major_vec4";
    const ENTRY: &'static str = "backward_add";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [256, 1, 1];
    const USES_PARAMS: bool = true;

    fn params(&self) -> &[u8] {
        bytemuck::bytes_of(&self.params)
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "dy", slot: 4, buffer: self.dy, float: true, read_only: true, written: false, element_bytes: 16, any_float: false },
            Binding { name: "dx", slot: 5, buffer: &*self.dx, float: true, read_only: false, written: true, element_bytes: 16, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let dy = self.dy.read();
        let mut dx = self.dx.write();
        crate::reference::head_major::backward_add::<f32>(&self.params, dy.f32(), dx.f32_mut());
    }
}
