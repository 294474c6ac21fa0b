//! Signatures of `shaders/lamb.wgsl`, one struct per entry point.
//!
//! @generated from the shader; run `UPDATE_KERNELS=1 cargo test -p wgrad-codegen`. Do not edit.

#![cfg_attr(rustfmt, rustfmt::skip)]

use crate::device::{Binding, Buffer, Kernel};
pub use crate::params::lamb::{Params};

/// The WGSL text, shared functions first.
pub const SOURCE: &str = concat!(
    include_str!("../../../shaders/shared/lanes.wgsl"),
    include_str!("../../../shaders/lamb.wgsl"),
);

/// Entry point `moments`: reads rates, state, chunks, gradient, values; writes first_moment, second_moment, partials.
pub struct Moments<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[3]`      η, 1/(1 − β₁ᵗ), √(1 − β₂ᵗ) of this step
    pub rates: &'a Buffer,
    /// `[3]`      ‖g‖, clip, finite
    pub state: &'a Buffer,
    /// K
    pub chunks: &'a Buffer,
    /// `[words]`  g
    pub gradient: &'a Buffer,
    /// `[words]`  w
    pub values: &'a Buffer,
    /// `[words]`  m
    pub first_moment: &'a mut Buffer,
    /// `[words]`  v
    pub second_moment: &'a mut Buffer,
    /// `[K, 2]`   Σw² and Σu² of each chunk
    pub partials: &'a mut Buffer,
}

impl Kernel for Moments<'_> {
    const STEM: &'static str = "lamb";
    const ENTRY: &'static str = "moments";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [256, 1, 1];
    const USES_PARAMS: bool = true;

    fn params(&self) -> &[u8] {
        bytemuck::bytes_of(&self.params)
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "rates", slot: 1, buffer: self.rates, float: true, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "state", slot: 2, buffer: self.state, float: true, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "chunks", slot: 3, buffer: self.chunks, float: false, read_only: true, written: false, element_bytes: 16, any_float: false },
            Binding { name: "gradient", slot: 4, buffer: self.gradient, float: true, read_only: true, written: false, element_bytes: 16, any_float: false },
            Binding { name: "values", slot: 5, buffer: self.values, float: true, read_only: false, written: false, element_bytes: 16, any_float: false },
            Binding { name: "first_moment", slot: 6, buffer: &*self.first_moment, float: true, read_only: false, written: true, element_bytes: 16, any_float: false },
            Binding { name: "second_moment", slot: 7, buffer: &*self.second_moment, float: true, read_only: false, written: true, element_bytes: 16, any_float: false },
            Binding { name: "partials", slot: 8, buffer: &*self.partials, float: true, read_only: false, written: true, element_bytes: 8, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let rates = self.rates.read();
        let state = self.state.read();
        let chunks = self.chunks.read();
        let gradient = self.gradient.read();
        let values = self.values.read();
        let mut first_moment = self.first_moment.write();
        let mut second_moment = self.second_moment.write();
        let mut partials = self.partials.write();
        crate::reference::lamb::moments::<f32>(&self.params, (rates.f32(), state.f32(), chunks.u32(), gradient.f32(), values.f32()), (first_moment.f32_mut(), second_moment.f32_mut(), partials.f32_mut()));
    }
}

/// Entry point `trust`: reads partials, spans; writes ratios.
pub struct Trust<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[K, 2]`   Σw² and Σu² of each chunk
    pub partials: &'a Buffer,
    /// `[S, 2]`   first chunk and number of chunks
    pub spans: &'a Buffer,
    /// `[S]`      q
    pub ratios: &'a mut Buffer,
}

impl Kernel for Trust<'_> {
    const STEM: &'static str = "lamb";
    const ENTRY: &'static str = "trust";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [256, 1, 1];
    const USES_PARAMS: bool = true;

    fn params(&self) -> &[u8] {
        bytemuck::bytes_of(&self.params)
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "partials", slot: 8, buffer: self.partials, float: true, read_only: false, written: false, element_bytes: 8, any_float: false },
            Binding { name: "spans", slot: 9, buffer: self.spans, float: false, read_only: true, written: false, element_bytes: 8, any_float: false },
            Binding { name: "ratios", slot: 10, buffer: &*self.ratios, float: true, read_only: false, written: true, element_bytes: 4, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let partials = self.partials.read();
        let spans = self.spans.read();
        let mut ratios = self.ratios.write();
        crate::reference::lamb::trust::<f32>(&self.params, (partials.f32(), spans.u32()), ratios.f32_mut());
    }
}

/// Entry point `apply`: reads rates, state, chunks, first_moment, second_moment, ratios; writes values.
pub struct Apply<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[3]`      η, 1/(1 − β₁ᵗ), √(1 − β₂ᵗ) of this step
    pub rates: &'a Buffer,
    /// `[3]`      ‖g‖, clip, finite
    pub state: &'a Buffer,
    /// K
    pub chunks: &'a Buffer,
    /// `[words]`  w
    pub values: &'a mut Buffer,
    /// `[words]`  m
    pub first_moment: &'a Buffer,
    /// `[words]`  v
    pub second_moment: &'a Buffer,
    /// `[S]`      q
    pub ratios: &'a Buffer,
}

impl Kernel for Apply<'_> {
    const STEM: &'static str = "lamb";
    const ENTRY: &'static str = "apply";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [256, 1, 1];
    const USES_PARAMS: bool = true;

    fn params(&self) -> &[u8] {
        bytemuck::bytes_of(&self.params)
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "rates", slot: 1, buffer: self.rates, float: true, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "state", slot: 2, buffer: self.state, float: true, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "chunks", slot: 3, buffer: self.chunks, float: false, read_only: true, written: false, element_bytes: 16, any_float: false },
            Binding { name: "values", slot: 5, buffer: &*self.values, float: true, read_only: false, written: true, element_bytes: 16, any_float: false },
            Binding { name: "first_moment", slot: 6, buffer: self.first_moment, float: true, read_only: false, written: false, element_bytes: 16, any_float: false },
            Binding { name: "second_moment", slot: 7, buffer: self.second_moment, float: true, read_only: false, written: false, element_bytes: 16, any_float: false },
            Binding { name: "ratios", slot: 10, buffer: self.ratios, float: true, read_only: false, written: false, element_bytes: 4, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let rates = self.rates.read();
        let state = self.state.read();
        let chunks = self.chunks.read();
        let first_moment = self.first_moment.read();
        let second_moment = self.second_moment.read();
        let ratios = self.ratios.read();
        let mut values = self.values.write();
        crate::reference::lamb::apply::<f32>(&self.params, (rates.f32(), state.f32(), chunks.u32(), first_moment.f32(), second_moment.f32(), ratios.f32()), values.f32_mut());
    }
}
