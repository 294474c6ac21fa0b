//! Signatures of `shaders/relative_segments.wgsl`, one struct per entry point.
//!
//! @generated from the shader; run `UPDATE_KERNELS=1 cargo test -p wgrad-codegen`. Do not edit.

#![cfg_attr(rustfmt, rustfmt::skip)]

use crate::device::{Binding, Buffer, Kernel};
pub use crate::params::relative_segments::{Params};

/// The WGSL text, shared functions first.
pub const SOURCE: &str = concat!(
    include_str!("../../../shaders/relative_segments.wgsl"),
);

/// Entry point `forward`: reads q, origin, table; writes slopes.
pub struct Forward<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[B, T, A, D]`
    pub q: &'a Buffer,
    /// `[A, D]`  o
    pub origin: &'a Buffer,
    /// `[2, A, D]`  m₀, m₁
    pub table: &'a Buffer,
    /// `[B, T, A]`  e, kept for backward
    pub slopes: &'a mut Buffer,
}

impl Kernel for Forward<'_> {
    const STEM: &'static str = "relative_segments";
    const ENTRY: &'static str = "forward";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [64, 1, 1];
    const USES_PARAMS: bool = true;

    fn params(&self) -> &[u8] {
        bytemuck::bytes_of(&self.params)
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "q", slot: 1, buffer: self.q, float: true, read_only: true, written: false, element_bytes: 4, any_float: true },
            Binding { name: "origin", slot: 2, buffer: self.origin, float: true, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "table", slot: 3, buffer: self.table, float: true, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "slopes", slot: 4, buffer: &*self.slopes, float: true, read_only: false, written: true, element_bytes: 4, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let q = self.q.read();
        let origin = self.origin.read();
        let table = self.table.read();
        let mut slopes = self.slopes.write();
        crate::reference::relative_segments::forward::<f32>(&self.params, (q.f32(), origin.f32(), table.f32()), slopes.f32_mut());
    }
}

/// Entry point `backward_queries`: reads q, origin, table, sigma; writes dq, touched.
pub struct BackwardQueries<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[B, T, A, D]`
    pub q: &'a Buffer,
    /// `[A, D]`  o
    pub origin: &'a Buffer,
    /// `[2, A, D]`  m₀, m₁
    pub table: &'a Buffer,
    /// `[B, T, A]`  σ
    pub sigma: &'a Buffer,
    /// `[B, T, A, D]`  without the term, then with it
    pub dq: &'a mut Buffer,
    /// `[B, T, A, D]`  σ_i·(q_i + o)
    pub touched: &'a mut Buffer,
}

impl Kernel for BackwardQueries<'_> {
    const STEM: &'static str = "relative_segments";
    const ENTRY: &'static str = "backward_queries";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [64, 1, 1];
    const USES_PARAMS: bool = true;

    fn params(&self) -> &[u8] {
        bytemuck::bytes_of(&self.params)
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "q", slot: 1, buffer: self.q, float: true, read_only: true, written: false, element_bytes: 4, any_float: true },
            Binding { name: "origin", slot: 2, buffer: self.origin, float: true, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "table", slot: 3, buffer: self.table, float: true, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "sigma", slot: 5, buffer: self.sigma, float: true, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "dq", slot: 6, buffer: &*self.dq, float: true, read_only: false, written: true, element_bytes: 4, any_float: true },
            Binding { name: "touched", slot: 7, buffer: &*self.touched, float: true, read_only: false, written: true, element_bytes: 4, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let q = self.q.read();
        let origin = self.origin.read();
        let table = self.table.read();
        let sigma = self.sigma.read();
        let mut dq = self.dq.write();
        let mut touched = self.touched.write();
        crate::reference::relative_segments::backward_queries::<f32>(&self.params, (q.f32(), origin.f32(), table.f32(), sigma.f32()), (dq.f32_mut(), touched.f32_mut()));
    }
}

/// Entry point `backward_table`: reads table, sigma_sum, touched_sum; writes dorigin, dtable.
pub struct BackwardTable<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[2, A, D]`  m₀, m₁
    pub table: &'a Buffer,
    /// `[A]`  Σ_i σ_i
    pub sigma_sum: &'a Buffer,
    /// `[A, D]`  dm₁
    pub touched_sum: &'a Buffer,
    /// `[A, D]`
    pub dorigin: &'a mut Buffer,
    /// `[2, A, D]`
    pub dtable: &'a mut Buffer,
}

impl Kernel for BackwardTable<'_> {
    const STEM: &'static str = "relative_segments";
    const ENTRY: &'static str = "backward_table";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [64, 1, 1];
    const USES_PARAMS: bool = true;

    fn params(&self) -> &[u8] {
        bytemuck::bytes_of(&self.params)
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "table", slot: 3, buffer: self.table, float: true, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "sigma_sum", slot: 8, buffer: self.sigma_sum, float: true, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "touched_sum", slot: 9, buffer: self.touched_sum, float: true, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "dorigin", slot: 10, buffer: &*self.dorigin, float: true, read_only: false, written: true, element_bytes: 4, any_float: false },
            Binding { name: "dtable", slot: 11, buffer: &*self.dtable, float: true, read_only: false, written: true, element_bytes: 4, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let table = self.table.read();
        let sigma_sum = self.sigma_sum.read();
        let touched_sum = self.touched_sum.read();
        let mut dorigin = self.dorigin.write();
        let mut dtable = self.dtable.write();
        crate::reference::relative_segments::backward_table::<f32>(&self.params, (table.f32(), sigma_sum.f32(), touched_sum.f32()), (dorigin.f32_mut(), dtable.f32_mut()));
    }
}
