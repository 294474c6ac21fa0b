//! Signatures of `shaders/dropout.wgsl`, one struct per entry point.
//!
//! @generated from the shader; run `UPDATE_KERNELS=1 cargo test -p wgrad-codegen`. Do not edit.

#![cfg_attr(rustfmt, rustfmt::skip)]

use crate::device::{Binding, Buffer, Kernel};
pub use crate::params::dropout::{Params};

/// The WGSL text, shared functions first.
pub const SOURCE: &str = concat!(
    include_str!("../../../shaders/shared/philox.wgsl"),
    include_str!("../../../shaders/shared/dropout.wgsl"),
    include_str!("../../../shaders/dropout.wgsl"),
);

/// Entry point `forward`: reads key, x; writes y.
pub struct Forward<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[2]`     of the step
    pub key: &'a Buffer,
    /// `[N, C]`
    pub x: &'a Buffer,
    /// `[N, C]`
    pub y: &'a mut Buffer,
}

impl Kernel for Forward<'_> {
    const STEM: &'static str = "dropout";
    const ENTRY: &'static str = "forward";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [256, 1, 1];
    const USES_PARAMS: bool = true;

    fn params(&self) -> &[u8] {
        bytemuck::bytes_of(&self.params)
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "key", slot: 1, buffer: self.key, float: false, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "x", slot: 2, buffer: self.x, float: true, read_only: true, written: false, element_bytes: 4, any_float: true },
            Binding { name: "y", slot: 3, buffer: &*self.y, float: true, read_only: false, written: true, element_bytes: 4, any_float: true },
        ]
    }

    fn on_cpu(self) {
        let key = self.key.read();
        let x = self.x.read();
        let mut y = self.y.write();
        crate::cpu::dropout::forward(&self.params, (key.u32(), x.f32()), y.f32_mut());
    }
}
