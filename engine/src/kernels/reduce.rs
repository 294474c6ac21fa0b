//! Signatures of `shaders/reduce.wgsl`, one struct per entry point.
//!
//! @generated from the shader; run `UPDATE_KERNELS=1 cargo test -p wgrad-codegen`. Do not edit.

#![cfg_attr(rustfmt, rustfmt::skip)]

use crate::device::{Binding, Buffer, Kernel};
pub use crate::params::reduce::{Params};

/// The WGSL text, shared functions first.
pub const SOURCE: &str = concat!(
    include_str!("../../../shaders/shared/lanes.wgsl"),
    include_str!("../../../shaders/reduce.wgsl"),
);

/// Entry point `partial_sums`: reads x; writes partials.
pub struct PartialSums<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[n]`
    pub x: &'a Buffer,
    /// P
    pub partials: &'a mut Buffer,
}

impl Kernel for PartialSums<'_> {
    const STEM: &'static str = "reduce";
    const ENTRY: &'static str = "partial_sums";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [256, 1, 1];
    const USES_PARAMS: bool = true;

    fn params(&self) -> &[u8] {
        bytemuck::bytes_of(&self.params)
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "x", slot: 1, buffer: self.x, float: true, read_only: true, written: false, element_bytes: 16, any_float: false },
            Binding { name: "partials", slot: 2, buffer: &*self.partials, float: true, read_only: false, written: true, element_bytes: 4, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let x = self.x.read();
        let mut partials = self.partials.write();
        crate::reference::reduce::partial_sums::<f32>(&self.params, x.f32(), partials.f32_mut());
    }
}

/// Entry point `total`: reads partials; writes y.
pub struct Total<'a> {
    /// Its uniforms.
    pub params: Params,
    /// P
    pub partials: &'a Buffer,
    /// `[1]`
    pub y: &'a mut Buffer,
}

impl Kernel for Total<'_> {
    const STEM: &'static str = "reduce";
    const ENTRY: &'static str = "total";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [256, 1, 1];
    const USES_PARAMS: bool = true;

    fn params(&self) -> &[u8] {
        bytemuck::bytes_of(&self.params)
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "partials", slot: 2, buffer: self.partials, float: true, read_only: false, written: false, element_bytes: 4, any_float: false },
            Binding { name: "y", slot: 3, buffer: &*self.y, float: true, read_only: false, written: true, element_bytes: 4, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let partials = self.partials.read();
        let mut y = self.y.write();
        crate::reference::reduce::total::<f32>(&self.params, partials.f32(), y.f32_mut());
    }
}

/// Entry point `backward`: reads dy; writes dx.
pub struct Backward<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[1]`
    pub dy: &'a Buffer,
    /// `[n]`
    pub dx: &'a mut Buffer,
}

impl Kernel for Backward<'_> {
    const STEM: &'static str = "reduce";
    const ENTRY: &'static str = "backward";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [256, 1, 1];
    const USES_PARAMS: bool = true;

    fn params(&self) -> &[u8] {
        bytemuck::bytes_of(&self.params)
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "dy", slot: 4, buffer: self.dy, float: true, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "dx", slot: 5, buffer: &*self.dx, float: true, read_only: false, written: true, element_bytes: 16, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let dy = self.dy.read();
        let mut dx = self.dx.write();
        crate::reference::reduce::backward::<f32>(&self.params, dy.f32(), dx.f32_mut());
    }
}
