//! Signatures of `shaders/activation.wgsl`, one struct per entry point.
//!
//! @generated from the shader; run `UPDATE_KERNELS=1 cargo test -p wgrad-codegen`. Do not edit.

#![cfg_attr(rustfmt, rustfmt::skip)]

use crate::device::{Binding, Buffer, Kernel};
pub use crate::params::activation::{Params};

/// The WGSL text, shared functions first.
pub const SOURCE: &str = concat!(
    include_str!("../../../shaders/shared/quads.wgsl"),
    include_str!("../../../shaders/activation.wgsl"),
);

/// Entry point `relu_forward`: reads x; writes y.
pub struct ReluForward<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[n]`
    pub x: &'a Buffer,
    /// `[n]`
    pub y: &'a mut Buffer,
}

impl Kernel for ReluForward<'_> {
    const STEM: &'static str = "activation";
    const ENTRY: &'static str = "relu_forward";
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
        crate::reference::activation::relu_forward::<f32>(&self.params, x.f32(), y.f32_mut());
    }
}

/// Entry point `relu_backward`: reads y, dy; writes dx.
pub struct ReluBackward<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[n]`
    pub y: &'a Buffer,
    /// `[n]`
    pub dy: &'a Buffer,
    /// `[n]`
    pub dx: &'a mut Buffer,
}

impl Kernel for ReluBackward<'_> {
    const STEM: &'static str = "activation";
    const ENTRY: &'static str = "relu_backward";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [256, 1, 1];
    const USES_PARAMS: bool = true;

    fn params(&self) -> &[u8] {
        bytemuck::bytes_of(&self.params)
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "y", slot: 2, buffer: self.y, float: true, read_only: false, written: false, element_bytes: 16, any_float: true },
            Binding { name: "dy", slot: 3, buffer: self.dy, float: true, read_only: true, written: false, element_bytes: 16, any_float: true },
            Binding { name: "dx", slot: 4, buffer: &*self.dx, float: true, read_only: false, written: true, element_bytes: 16, any_float: true },
        ]
    }

    fn on_cpu(self) {
        let y = self.y.read();
        let dy = self.dy.read();
        let mut dx = self.dx.write();
        crate::reference::activation::relu_backward::<f32>(&self.params, (y.f32(), dy.f32()), dx.f32_mut());
    }
}

/// Entry point `tanh_forward`: reads x; writes y.
pub struct TanhForward<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[n]`
    pub x: &'a Buffer,
    /// `[n]`
    pub y: &'a mut Buffer,
}

impl Kernel for TanhForward<'_> {
    const STEM: &'static str = "activation";
    const ENTRY: &'static str = "tanh_forward";
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
        crate::reference::activation::tanh_forward::<f32>(&self.params, x.f32(), y.f32_mut());
    }
}

/// Entry point `tanh_backward`: reads y, dy; writes dx.
pub struct TanhBackward<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[n]`
    pub y: &'a Buffer,
    /// `[n]`
    pub dy: &'a Buffer,
    /// `[n]`
    pub dx: &'a mut Buffer,
}

impl Kernel for TanhBackward<'_> {
    const STEM: &'static str = "activation";
    const ENTRY: &'static str = "tanh_backward";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [256, 1, 1];
    const USES_PARAMS: bool = true;

    fn params(&self) -> &[u8] {
        bytemuck::bytes_of(&self.params)
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "y", slot: 2, buffer: self.y, float: true, read_only: false, written: false, element_bytes: 16, any_float: true },
            Binding { name: "dy", slot: 3, buffer: self.dy, float: true, read_only: true, written: false, element_bytes: 16, any_float: true },
            Binding { name: "dx", slot: 4, buffer: &*self.dx, float: true, read_only: false, written: true, element_bytes: 16, any_float: true },
        ]
    }

    fn on_cpu(self) {
        let y = self.y.read();
        let dy = self.dy.read();
        let mut dx = self.dx.write();
        crate::reference::activation::tanh_backward::<f32>(&self.params, (y.f32(), dy.f32()), dx.f32_mut());
    }
}

/// Entry point `silu_forward`: reads x; writes y.
pub struct SiluForward<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[n]`
    pub x: &'a Buffer,
    /// `[n]`
    pub y: &'a mut Buffer,
}

impl Kernel for SiluForward<'_> {
    const STEM: &'static str = "activation";
    const ENTRY: &'static str = "silu_forward";
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
        crate::reference::activation::silu_forward::<f32>(&self.params, x.f32(), y.f32_mut());
    }
}

/// Entry point `silu_backward`: reads x, dy; writes dx.
pub struct SiluBackward<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[n]`
    pub x: &'a Buffer,
    /// `[n]`
    pub dy: &'a Buffer,
    /// `[n]`
    pub dx: &'a mut Buffer,
}

impl Kernel for SiluBackward<'_> {
    const STEM: &'static str = "activation";
    const ENTRY: &'static str = "silu_backward";
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
        crate::reference::activation::silu_backward::<f32>(&self.params, (x.f32(), dy.f32()), dx.f32_mut());
    }
}

/// Entry point `log1p_relu_forward`: reads x; writes y.
pub struct Log1pReluForward<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[n]`
    pub x: &'a Buffer,
    /// `[n]`
    pub y: &'a mut Buffer,
}

impl Kernel for Log1pReluForward<'_> {
    const STEM: &'static str = "activation";
    const ENTRY: &'static str = "log1p_relu_forward";
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
        crate::reference::activation::log1p_relu_forward::<f32>(&self.params, x.f32(), y.f32_mut());
    }
}

/// Entry point `log1p_relu_backward`: reads x, dy; writes dx.
pub struct Log1pReluBackward<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[n]`
    pub x: &'a Buffer,
    /// `[n]`
    pub dy: &'a Buffer,
    /// `[n]`
    pub dx: &'a mut Buffer,
}

impl Kernel for Log1pReluBackward<'_> {
    const STEM: &'static str = "activation";
    const ENTRY: &'static str = "log1p_relu_backward";
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
        crate::reference::activation::log1p_relu_backward::<f32>(&self.params, (x.f32(), dy.f32()), dx.f32_mut());
    }
}
