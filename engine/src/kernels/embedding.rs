//! Signatures of `shaders/embedding.wgsl`, one struct per entry point.
//!
//! @generated from the shader; run `UPDATE_KERNELS=1 cargo test -p wgrad-codegen`. Do not edit.

#![cfg_attr(rustfmt, rustfmt::skip)]

use crate::device::{Binding, Buffer, Kernel};
pub use crate::params::embedding::{Params};

/// The WGSL text, shared functions first.
pub const SOURCE: &str = concat!(
    include_str!("../../../shaders/embedding.wgsl"),
);

/// Entry point `forward`: reads table, ids; writes y.
pub struct Forward<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[V, H]`
    pub table: &'a Buffer,
    /// `[N]`
    pub ids: &'a Buffer,
    /// `[N, H]`
    pub y: &'a mut Buffer,
}

impl Kernel for Forward<'_> {
    const STEM: &'static str = "embedding";
    const ENTRY: &'static str = "forward";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [64, 1, 1];
    const USES_PARAMS: bool = true;

    fn params(&self) -> &[u8] {
        bytemuck::bytes_of(&self.params)
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "table", slot: 1, buffer: self.table, float: true, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "ids", slot: 2, buffer: self.ids, float: false, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "y", slot: 3, buffer: &*self.y, float: true, read_only: false, written: true, element_bytes: 4, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let table = self.table.read();
        let ids = self.ids.read();
        let mut y = self.y.write();
        crate::reference::embedding::forward::<f32>(&self.params, (table.f32(), ids.u32()), y.f32_mut());
    }
}

/// Entry point `backward_pieces`: reads dy, positions, pieces; writes partials.
pub struct BackwardPieces<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[N, H]`
    pub dy: &'a Buffer,
    /// `[N]`
    pub positions: &'a Buffer,
    /// P
    pub pieces: &'a Buffer,
    /// `[P, H]`
    pub partials: &'a mut Buffer,
}

impl Kernel for BackwardPieces<'_> {
    const STEM: &'static str = "embedding";
    const ENTRY: &'static str = "backward_pieces";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [64, 1, 1];
    const USES_PARAMS: bool = true;

    fn params(&self) -> &[u8] {
        bytemuck::bytes_of(&self.params)
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "dy", slot: 4, buffer: self.dy, float: true, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "positions", slot: 5, buffer: self.positions, float: false, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "pieces", slot: 7, buffer: self.pieces, float: false, read_only: true, written: false, element_bytes: 8, any_float: false },
            Binding { name: "partials", slot: 8, buffer: &*self.partials, float: true, read_only: false, written: true, element_bytes: 4, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let dy = self.dy.read();
        let positions = self.positions.read();
        let pieces = self.pieces.read();
        let mut partials = self.partials.write();
        crate::reference::embedding::backward_pieces::<f32>(&self.params, (dy.f32(), positions.u32(), pieces.u32()), partials.f32_mut());
    }
}

/// Entry point `clear`: reads nothing; writes zeros.
pub struct Clear<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[V, H]` the same memory
    pub zeros: &'a mut Buffer,
}

impl Kernel for Clear<'_> {
    const STEM: &'static str = "embedding";
    const ENTRY: &'static str = "clear";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [64, 1, 1];
    const USES_PARAMS: bool = true;

    fn params(&self) -> &[u8] {
        bytemuck::bytes_of(&self.params)
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "zeros", slot: 11, buffer: &*self.zeros, float: true, read_only: false, written: true, element_bytes: 16, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let mut zeros = self.zeros.write();
        crate::reference::embedding::clear::<f32>(&self.params, (), zeros.f32_mut());
    }
}

/// Entry point `backward`: reads dy, positions, segments, piece_sums; writes dtable.
pub struct Backward<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[N, H]`
    pub dy: &'a Buffer,
    /// `[N]`
    pub positions: &'a Buffer,
    /// `[N, 4]`
    pub segments: &'a Buffer,
    /// `[P, H]`
    pub piece_sums: &'a Buffer,
    /// `[V, H]` zeros before
    pub dtable: &'a mut Buffer,
}

impl Kernel for Backward<'_> {
    const STEM: &'static str = "embedding";
    const ENTRY: &'static str = "backward";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [64, 1, 1];
    const USES_PARAMS: bool = true;

    fn params(&self) -> &[u8] {
        bytemuck::bytes_of(&self.params)
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "dy", slot: 4, buffer: self.dy, float: true, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "positions", slot: 5, buffer: self.positions, float: false, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "segments", slot: 6, buffer: self.segments, float: false, read_only: true, written: false, element_bytes: 16, any_float: false },
            Binding { name: "piece_sums", slot: 9, buffer: self.piece_sums, float: true, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "dtable", slot: 10, buffer: &*self.dtable, float: true, read_only: false, written: true, element_bytes: 4, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let dy = self.dy.read();
        let positions = self.positions.read();
        let segments = self.segments.read();
        let piece_sums = self.piece_sums.read();
        let mut dtable = self.dtable.write();
        crate::reference::embedding::backward::<f32>(&self.params, (dy.f32(), positions.u32(), segments.u32(), piece_sums.f32()), dtable.f32_mut());
    }
}
