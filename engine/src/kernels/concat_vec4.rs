//! Signatures of `shaders/concat_vec4.wgsl`, one struct per entry point.
//!
//! @generated from the shader; run `UPDATE_KERNELS=1 cargo test -p wgrad-codegen`. Do not edit.

#![cfg_attr(rustfmt, rustfmt::skip)]

use crate::device::{Binding, Buffer, Kernel};
pub use crate::params::concat::{Params};

/// The WGSL text, shared functions first.
pub const SOURCE: &str = concat!(
    include_str!("../../../shaders/concat_vec4.wgsl"),
);

/// Entry point `join`: reads part; writes joined.
pub struct Join<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[O, P]`
    pub part: &'a Buffer,
    /// `[O, W]`
    pub joined: &'a mut Buffer,
}

impl Kernel for Join<'_> {
    const STEM: &'static str = "concat_vec4";
    const ENTRY: &'static str = "join";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [256, 1, 1];
    const USES_PARAMS: bool = true;

    fn params(&self) -> &[u8] {
        bytemuck::bytes_of(&self.params)
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "part", slot: 1, buffer: self.part, float: false, read_only: true, written: false, element_bytes: 16 },
            Binding { name: "joined", slot: 2, buffer: &*self.joined, float: false, read_only: false, written: true, element_bytes: 16 },
        ]
    }

    fn on_cpu(self) {
        let part = self.part.read();
        let mut joined = self.joined.write();
        crate::reference::concat::join::<f32>(&self.params, part.u32(), joined.u32_mut());
    }
}

/// Entry point `take`: reads whole; writes taken.
pub struct Take<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[O, W]`
    pub whole: &'a Buffer,
    /// `[O, P]`
    pub taken: &'a mut Buffer,
}

impl Kernel for Take<'_> {
    const STEM: &'static str = "concat_vec4";
    const ENTRY: &'static str = "take";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [256, 1, 1];
    const USES_PARAMS: bool = true;

    fn params(&self) -> &[u8] {
        bytemuck::bytes_of(&self.params)
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "whole", slot: 3, buffer: self.whole, float: false, read_only: true, written: false, element_bytes: 16 },
            Binding { name: "taken", slot: 4, buffer: &*self.taken, float: false, read_only: false, written: true, element_bytes: 16 },
        ]
    }

    fn on_cpu(self) {
        let whole = self.whole.read();
        let mut taken = self.taken.write();
        crate::reference::concat::take::<f32>(&self.params, whole.u32(), taken.u32_mut());
    }
}

/// Entry point `spread`: reads part; writes joined.
pub struct Spread<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[O, P]`
    pub part: &'a Buffer,
    /// `[O, W]`
    pub joined: &'a mut Buffer,
}

impl Kernel for Spread<'_> {
    const STEM: &'static str = "concat_vec4";
    const ENTRY: &'static str = "spread";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [256, 1, 1];
    const USES_PARAMS: bool = true;

    fn params(&self) -> &[u8] {
        bytemuck::bytes_of(&self.params)
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "part", slot: 1, buffer: self.part, float: false, read_only: true, written: false, element_bytes: 16 },
            Binding { name: "joined", slot: 2, buffer: &*self.joined, float: false, read_only: false, written: true, element_bytes: 16 },
        ]
    }

    fn on_cpu(self) {
        let part = self.part.read();
        let mut joined = self.joined.write();
        crate::reference::concat::spread::<f32>(&self.params, part.u32(), joined.u32_mut());
    }
}
