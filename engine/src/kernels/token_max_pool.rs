//! Signatures of `shaders/token_max_pool.wgsl`, one struct per entry point.
//!
//! @generated from the shader; run `UPDATE_KERNELS=1 cargo test -p wgrad-codegen`. Do not edit.

#![cfg_attr(rustfmt, rustfmt::skip)]

use crate::device::{Binding, Buffer, Kernel};
pub use crate::params::token_max_pool::{Params};

/// The WGSL text, shared functions first.
pub const SOURCE: &str = concat!(
    include_str!("../../../shaders/token_max_pool.wgsl"),
);

/// Entry point `forward`: reads logits, visible; writes z, positions.
pub struct Forward<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[C, V]`
    pub logits: &'a Buffer,
    /// `[B, T]`  0 = hidden
    pub visible: &'a Buffer,
    /// `[B, V]`
    pub z: &'a mut Buffer,
    /// `[B, V]`  a, or NONE
    pub positions: &'a mut Buffer,
}

impl Kernel for Forward<'_> {
    const STEM: &'static str = "token_max_pool";
    const ENTRY: &'static str = "forward";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [64, 1, 1];
    const USES_PARAMS: bool = true;

    fn params(&self) -> &[u8] {
        bytemuck::bytes_of(&self.params)
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "logits", slot: 1, buffer: self.logits, float: true, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "visible", slot: 2, buffer: self.visible, float: false, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "z", slot: 3, buffer: &*self.z, float: true, read_only: false, written: true, element_bytes: 4, any_float: false },
            Binding { name: "positions", slot: 4, buffer: &*self.positions, float: false, read_only: false, written: true, element_bytes: 4, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let logits = self.logits.read();
        let visible = self.visible.read();
        let mut z = self.z.write();
        let mut positions = self.positions.write();
        crate::reference::token_max_pool::forward::<f32>(&self.params, (logits.f32(), visible.u32()), (z.f32_mut(), positions.u32_mut()));
    }
}

/// Entry point `count`: reads positions, dz; writes starts.
pub struct Count<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[B, V]`  a, or NONE
    pub positions: &'a Buffer,
    /// `[B, V]`
    pub dz: &'a Buffer,
    /// `[B, T + 1]`  first entry of each token
    pub starts: &'a mut Buffer,
}

impl Kernel for Count<'_> {
    const STEM: &'static str = "token_max_pool";
    const ENTRY: &'static str = "count";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [64, 1, 1];
    const USES_PARAMS: bool = true;

    fn params(&self) -> &[u8] {
        bytemuck::bytes_of(&self.params)
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "positions", slot: 4, buffer: self.positions, float: false, read_only: false, written: false, element_bytes: 4, any_float: false },
            Binding { name: "dz", slot: 5, buffer: self.dz, float: true, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "starts", slot: 8, buffer: &*self.starts, float: false, read_only: false, written: true, element_bytes: 4, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let positions = self.positions.read();
        let dz = self.dz.read();
        let mut starts = self.starts.write();
        crate::reference::token_max_pool::count::<f32>(&self.params, (positions.u32(), dz.f32()), starts.u32_mut());
    }
}

/// Entry point `scan`: reads nothing; writes starts.
pub struct Scan<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[B, T + 1]`  first entry of each token
    pub starts: &'a mut Buffer,
}

impl Kernel for Scan<'_> {
    const STEM: &'static str = "token_max_pool";
    const ENTRY: &'static str = "scan";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [64, 1, 1];
    const USES_PARAMS: bool = true;

    fn params(&self) -> &[u8] {
        bytemuck::bytes_of(&self.params)
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "starts", slot: 8, buffer: &*self.starts, float: false, read_only: false, written: true, element_bytes: 4, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let mut starts = self.starts.write();
        crate::reference::token_max_pool::scan::<f32>(&self.params, (), starts.u32_mut());
    }
}

/// Entry point `fill`: reads positions, dz, starts; writes entries.
pub struct Fill<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[B, V]`  a, or NONE
    pub positions: &'a Buffer,
    /// `[B, V]`
    pub dz: &'a Buffer,
    /// `[B, T + 1]`  first entry of each token
    pub starts: &'a Buffer,
    /// `[B, V]`  v by token, then by v
    pub entries: &'a mut Buffer,
}

impl Kernel for Fill<'_> {
    const STEM: &'static str = "token_max_pool";
    const ENTRY: &'static str = "fill";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [64, 1, 1];
    const USES_PARAMS: bool = true;

    fn params(&self) -> &[u8] {
        bytemuck::bytes_of(&self.params)
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "positions", slot: 4, buffer: self.positions, float: false, read_only: false, written: false, element_bytes: 4, any_float: false },
            Binding { name: "dz", slot: 5, buffer: self.dz, float: true, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "starts", slot: 8, buffer: self.starts, float: false, read_only: false, written: false, element_bytes: 4, any_float: false },
            Binding { name: "entries", slot: 9, buffer: &*self.entries, float: false, read_only: false, written: true, element_bytes: 4, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let positions = self.positions.read();
        let dz = self.dz.read();
        let starts = self.starts.read();
        let mut entries = self.entries.write();
        crate::reference::token_max_pool::fill::<f32>(&self.params, (positions.u32(), dz.f32(), starts.u32()), entries.u32_mut());
    }
}

/// Entry point `backward_hidden`: reads dz, weight, starts, entries; writes dhidden.
pub struct BackwardHidden<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[B, V]`
    pub dz: &'a Buffer,
    /// `[V, H]`
    pub weight: &'a Buffer,
    /// `[B, T + 1]`  first entry of each token
    pub starts: &'a Buffer,
    /// `[B, V]`  v by token, then by v
    pub entries: &'a Buffer,
    /// `[B, T, H]`
    pub dhidden: &'a mut Buffer,
}

impl Kernel for BackwardHidden<'_> {
    const STEM: &'static str = "token_max_pool";
    const ENTRY: &'static str = "backward_hidden";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [64, 1, 1];
    const USES_PARAMS: bool = true;

    fn params(&self) -> &[u8] {
        bytemuck::bytes_of(&self.params)
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "dz", slot: 5, buffer: self.dz, float: true, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "weight", slot: 7, buffer: self.weight, float: true, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "starts", slot: 8, buffer: self.starts, float: false, read_only: false, written: false, element_bytes: 4, any_float: false },
            Binding { name: "entries", slot: 9, buffer: self.entries, float: false, read_only: false, written: false, element_bytes: 4, any_float: false },
            Binding { name: "dhidden", slot: 10, buffer: &*self.dhidden, float: true, read_only: false, written: true, element_bytes: 4, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let dz = self.dz.read();
        let weight = self.weight.read();
        let starts = self.starts.read();
        let entries = self.entries.read();
        let mut dhidden = self.dhidden.write();
        crate::reference::token_max_pool::backward_hidden::<f32>(&self.params, (dz.f32(), weight.f32(), starts.u32(), entries.u32()), dhidden.f32_mut());
    }
}

/// Entry point `backward_weight`: reads positions, dz, hidden; writes dweight.
pub struct BackwardWeight<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[B, V]`  a, or NONE
    pub positions: &'a Buffer,
    /// `[B, V]`
    pub dz: &'a Buffer,
    /// `[B, T, H]`
    pub hidden: &'a Buffer,
    /// `[V, H]`
    pub dweight: &'a mut Buffer,
}

impl Kernel for BackwardWeight<'_> {
    const STEM: &'static str = "token_max_pool";
    const ENTRY: &'static str = "backward_weight";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [64, 1, 1];
    const USES_PARAMS: bool = true;

    fn params(&self) -> &[u8] {
        bytemuck::bytes_of(&self.params)
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "positions", slot: 4, buffer: self.positions, float: false, read_only: false, written: false, element_bytes: 4, any_float: false },
            Binding { name: "dz", slot: 5, buffer: self.dz, float: true, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "hidden", slot: 6, buffer: self.hidden, float: true, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "dweight", slot: 11, buffer: &*self.dweight, float: true, read_only: false, written: true, element_bytes: 4, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let positions = self.positions.read();
        let dz = self.dz.read();
        let hidden = self.hidden.read();
        let mut dweight = self.dweight.write();
        crate::reference::token_max_pool::backward_weight::<f32>(&self.params, (positions.u32(), dz.f32(), hidden.f32()), dweight.f32_mut());
    }
}

/// Entry point `backward_bias`: reads positions, dz; writes dbias.
pub struct BackwardBias<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[B, V]`  a, or NONE
    pub positions: &'a Buffer,
    /// `[B, V]`
    pub dz: &'a Buffer,
    /// `[V]`
    pub dbias: &'a mut Buffer,
}

impl Kernel for BackwardBias<'_> {
    const STEM: &'static str = "token_max_pool";
    const ENTRY: &'static str = "backward_bias";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [64, 1, 1];
    const USES_PARAMS: bool = true;

    fn params(&self) -> &[u8] {
        bytemuck::bytes_of(&self.params)
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "positions", slot: 4, buffer: self.positions, float: false, read_only: false, written: false, element_bytes: 4, any_float: false },
            Binding { name: "dz", slot: 5, buffer: self.dz, float: true, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "dbias", slot: 12, buffer: &*self.dbias, float: true, read_only: false, written: true, element_bytes: 4, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let positions = self.positions.read();
        let dz = self.dz.read();
        let mut dbias = self.dbias.write();
        crate::reference::token_max_pool::backward_bias::<f32>(&self.params, (positions.u32(), dz.f32()), dbias.f32_mut());
    }
}
