//! Signatures of `shaders/sum_of_squares.wgsl`, one struct per entry point.
//!
//! @generated from the shader; run `UPDATE_KERNELS=1 cargo test -p wgrad-codegen`. Do not edit.

#![cfg_attr(rustfmt, rustfmt::skip)]

use crate::device::{Binding, Buffer, Kernel};
pub use crate::params::sum_of_squares::{Params};

/// The WGSL text, shared functions first.
pub const SOURCE: &str = concat!(
    include_str!("../../../shaders/shared/lanes.wgsl"),
    include_str!("../../../shaders/sum_of_squares.wgsl"),
);

/// Entry point `partial_sums`: reads gradient; writes partials.
pub struct PartialSums<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[words]`
    pub gradient: &'a Buffer,
    /// P, of all arenas
    pub partials: &'a mut Buffer,
}

impl Kernel for PartialSums<'_> {
    const STEM: &'static str = "sum_of_squares";
    const ENTRY: &'static str = "partial_sums";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [256, 1, 1];
    const USES_PARAMS: bool = true;

    fn params(&self) -> &[u8] {
        bytemuck::bytes_of(&self.params)
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "gradient", slot: 1, buffer: self.gradient, float: true, read_only: true, written: false, element_bytes: 16, any_float: false },
            Binding { name: "partials", slot: 2, buffer: &*self.partials, float: true, read_only: false, written: true, element_bytes: 4, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let gradient = self.gradient.read();
        let mut partials = self.partials.write();
        crate::reference::sum_of_squares::partial_sums::<f32>(&self.params, gradient.f32(), partials.f32_mut());
    }
}

/// Entry point `clip`: reads partials; writes state, scale.
pub struct Clip<'a> {
    /// Its uniforms.
    pub params: Params,
    /// P, of all arenas
    pub partials: &'a Buffer,
    /// `[3]`  ‖g‖, clip, finite
    pub state: &'a mut Buffer,
    /// `[2]`  S, steps since it changed
    pub scale: &'a mut Buffer,
}

impl Kernel for Clip<'_> {
    const STEM: &'static str = "sum_of_squares";
    const ENTRY: &'static str = "clip";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [256, 1, 1];
    const USES_PARAMS: bool = true;

    fn params(&self) -> &[u8] {
        bytemuck::bytes_of(&self.params)
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "partials", slot: 2, buffer: self.partials, float: true, read_only: false, written: false, element_bytes: 4, any_float: false },
            Binding { name: "state", slot: 3, buffer: &*self.state, float: true, read_only: false, written: true, element_bytes: 4, any_float: false },
            Binding { name: "scale", slot: 4, buffer: &*self.scale, float: true, read_only: false, written: true, element_bytes: 4, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let partials = self.partials.read();
        let mut state = self.state.write();
        let mut scale = self.scale.write();
        crate::reference::sum_of_squares::clip::<f32>(&self.params, partials.f32(), (state.f32_mut(), scale.f32_mut()));
    }
}
