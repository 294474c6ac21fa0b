//! Signatures of `shaders/matmul_vec4.wgsl`, one struct per entry point.
//!
//! @generated from the shader; run `UPDATE_KERNELS=1 cargo test -p wgrad-codegen`. Do not edit.

#![cfg_attr(rustfmt, rustfmt::skip)]

use crate::device::{Binding, Buffer, Kernel};
pub use crate::params::matmul::{Params};

/// The WGSL text, shared functions first.
pub const SOURCE: &str = concat!(
    include_str!("../../../shaders/shared/gelu.wgsl"),
    include_str!("../../../shaders/shared/matmul_blocks.wgsl"),
    include_str!("../../../shaders/shared/matmul_tile.wgsl"),
    include_str!("../../../shaders/matmul_vec4.wgsl"),
);

/// Entry point `forward`: reads a, b; writes c.
pub struct Forward<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[B, M, K]` or `[B, K, M]`
    pub a: &'a Buffer,
    /// `[B, K, N]` or `[B, N, K]`
    pub b: &'a Buffer,
    /// `[B, M, N]`
    pub c: &'a mut Buffer,
}

impl Kernel for Forward<'_> {
    const STEM: &'static str = "matmul_vec4";
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
            Binding { name: "c", slot: 4, buffer: &*self.c, float: true, read_only: false, written: true, element_bytes: 16, any_float: true },
        ]
    }

    fn on_cpu(self) {
        let a = self.a.read();
        let b = self.b.read();
        let mut c = self.c.write();
        crate::cpu::matmul::forward(&self.params, (a.f32(), b.f32()), c.f32_mut());
    }
}

/// Entry point `forward_wide`: reads a, b; writes wide.
pub struct ForwardWide<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[B, M, K]` or `[B, K, M]`
    pub a: &'a Buffer,
    /// `[B, K, N]` or `[B, N, K]`
    pub b: &'a Buffer,
    /// `[splits, B, M, N]` sums, f32 whatever an Element is
    pub wide: &'a mut Buffer,
}

impl Kernel for ForwardWide<'_> {
    const STEM: &'static str = "matmul_vec4";
    const ENTRY: &'static str = "forward_wide";
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
            Binding { name: "wide", slot: 6, buffer: &*self.wide, float: true, read_only: false, written: true, element_bytes: 16, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let a = self.a.read();
        let b = self.b.read();
        let mut wide = self.wide.write();
        crate::cpu::matmul::forward_wide(&self.params, (a.f32(), b.f32()), wide.f32_mut());
    }
}

/// Entry point `forward_bias`: reads a, b, bias; writes c.
pub struct ForwardBias<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[B, M, K]` or `[B, K, M]`
    pub a: &'a Buffer,
    /// `[B, K, N]` or `[B, N, K]`
    pub b: &'a Buffer,
    /// `[N]`
    pub bias: &'a Buffer,
    /// `[B, M, N]`
    pub c: &'a mut Buffer,
}

impl Kernel for ForwardBias<'_> {
    const STEM: &'static str = "matmul_vec4";
    const ENTRY: &'static str = "forward_bias";
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
            Binding { name: "bias", slot: 3, buffer: self.bias, float: true, read_only: true, written: false, element_bytes: 16, any_float: false },
            Binding { name: "c", slot: 4, buffer: &*self.c, float: true, read_only: false, written: true, element_bytes: 16, any_float: true },
        ]
    }

    fn on_cpu(self) {
        let a = self.a.read();
        let b = self.b.read();
        let bias = self.bias.read();
        let mut c = self.c.write();
        crate::cpu::matmul::forward_bias(&self.params, (a.f32(), b.f32(), bias.f32()), c.f32_mut());
    }
}

/// Entry point `forward_gelu`: reads a, b, bias; writes c, u.
pub struct ForwardGelu<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[B, M, K]` or `[B, K, M]`
    pub a: &'a Buffer,
    /// `[B, K, N]` or `[B, N, K]`
    pub b: &'a Buffer,
    /// `[N]`
    pub bias: &'a Buffer,
    /// `[B, M, N]`
    pub c: &'a mut Buffer,
    /// `[B, M, N]` what GELU is applied to, kept for backward
    pub u: &'a mut Buffer,
}

impl Kernel for ForwardGelu<'_> {
    const STEM: &'static str = "matmul_vec4";
    const ENTRY: &'static str = "forward_gelu";
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
            Binding { name: "bias", slot: 3, buffer: self.bias, float: true, read_only: true, written: false, element_bytes: 16, any_float: false },
            Binding { name: "c", slot: 4, buffer: &*self.c, float: true, read_only: false, written: true, element_bytes: 16, any_float: true },
            Binding { name: "u", slot: 5, buffer: &*self.u, float: true, read_only: false, written: true, element_bytes: 16, any_float: true },
        ]
    }

    fn on_cpu(self) {
        let a = self.a.read();
        let b = self.b.read();
        let bias = self.bias.read();
        let mut c = self.c.write();
        let mut u = self.u.write();
        crate::cpu::matmul::forward_gelu(&self.params, (a.f32(), b.f32(), bias.f32()), (c.f32_mut(), u.f32_mut()));
    }
}
