//! Signatures of `shaders/linear_sample.wgsl`, one struct per entry point.
//!
//! @generated from the shader; run `UPDATE_KERNELS=1 cargo test -p wgrad-codegen`. Do not edit.

#![cfg_attr(rustfmt, rustfmt::skip)]

use crate::device::{Binding, Buffer, Kernel};
pub use crate::params::linear_sample::{Params};

/// The WGSL text, shared functions first.
pub const SOURCE: &str = concat!(
    include_str!("../../../shaders/shared/lanes.wgsl"),
    include_str!("../../../shaders/shared/philox.wgsl"),
    include_str!("../../../shaders/linear_sample.wgsl"),
);

/// Entry point `forward`: reads key, logits; writes classes.
pub struct Forward<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[2]`     of the step
    pub key: &'a Buffer,
    /// `[C, V]`  x
    pub logits: &'a Buffer,
    /// `[C]`     k
    pub classes: &'a mut Buffer,
}

impl Kernel for Forward<'_> {
    const STEM: &'static str = "linear_sample";
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
            Binding { name: "logits", slot: 2, buffer: self.logits, float: true, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "classes", slot: 3, buffer: &*self.classes, float: false, read_only: false, written: true, element_bytes: 4, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let key = self.key.read();
        let logits = self.logits.read();
        let mut classes = self.classes.write();
        crate::cpu::linear_sample::forward(&self.params, (key.u32(), logits.f32()), classes.u32_mut());
    }
}
