//! Signatures of `shaders/softmax.wgsl`, one struct per entry point.
//!
//! @generated from the shader; run `UPDATE_KERNELS=1 cargo test -p wgrad-codegen`. Do not edit.

#![cfg_attr(rustfmt, rustfmt::skip)]

use crate::device::{Binding, Buffer, Kernel};
pub use crate::params::softmax::{Constants, Params};

/// The WGSL text, shared functions first.
pub const SOURCE: &str = concat!(
    include_str!("../../../shaders/shared/row_share.wgsl"),
    include_str!("../../../shaders/softmax.wgsl"),
);

/// Entry point `forward`: reads x; writes y.
pub struct Forward<'a> {
    /// Its uniforms.
    pub params: Params,
    /// What its pipeline is compiled with.
    pub constants: Constants,
    /// `[N, C]`
    pub x: &'a Buffer,
    /// `[N, C]`  kept for backward
    pub y: &'a mut Buffer,
}

impl Kernel for Forward<'_> {
    const STEM: &'static str = "softmax";
    const ENTRY: &'static str = "forward";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [256, 1, 1];
    const USES_PARAMS: bool = true;

    fn params(&self) -> &[u8] {
        bytemuck::bytes_of(&self.params)
    }

    fn constants(&self) -> Vec<(&'static str, f64)> {
        vec![
            ("ROW_LANES", f64::from(self.constants.row_lanes)),
        ]
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "x", slot: 1, buffer: self.x, float: true, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "y", slot: 2, buffer: &*self.y, float: true, read_only: false, written: true, element_bytes: 4, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let x = self.x.read();
        let mut y = self.y.write();
        crate::reference::softmax::forward::<f32>(&self.params, x.f32(), y.f32_mut());
    }
}

/// Entry point `backward`: reads y, dy; writes dx.
pub struct Backward<'a> {
    /// Its uniforms.
    pub params: Params,
    /// What its pipeline is compiled with.
    pub constants: Constants,
    /// `[N, C]`  kept for backward
    pub y: &'a Buffer,
    /// `[N, C]`
    pub dy: &'a Buffer,
    /// `[N, C]`
    pub dx: &'a mut Buffer,
}

impl Kernel for Backward<'_> {
    const STEM: &'static str = "softmax";
    const ENTRY: &'static str = "backward";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [256, 1, 1];
    const USES_PARAMS: bool = true;

    fn params(&self) -> &[u8] {
        bytemuck::bytes_of(&self.params)
    }

    fn constants(&self) -> Vec<(&'static str, f64)> {
        vec![
            ("ROW_LANES", f64::from(self.constants.row_lanes)),
        ]
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "y", slot: 2, buffer: self.y, float: true, read_only: false, written: false, element_bytes: 4, any_float: false },
            Binding { name: "dy", slot: 3, buffer: self.dy, float: true, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "dx", slot: 4, buffer: &*self.dx, float: true, read_only: false, written: true, element_bytes: 4, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let y = self.y.read();
        let dy = self.dy.read();
        let mut dx = self.dx.write();
        crate::reference::softmax::backward::<f32>(&self.params, (y.f32(), dy.f32()), dx.f32_mut());
    }
}

/// Entry point `forward_log`: reads x; writes y.
pub struct ForwardLog<'a> {
    /// Its uniforms.
    pub params: Params,
    /// What its pipeline is compiled with.
    pub constants: Constants,
    /// `[N, C]`
    pub x: &'a Buffer,
    /// `[N, C]`  kept for backward
    pub y: &'a mut Buffer,
}

impl Kernel for ForwardLog<'_> {
    const STEM: &'static str = "softmax";
    const ENTRY: &'static str = "forward_log";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [256, 1, 1];
    const USES_PARAMS: bool = true;

    fn params(&self) -> &[u8] {
        bytemuck::bytes_of(&self.params)
    }

    fn constants(&self) -> Vec<(&'static str, f64)> {
        vec![
            ("ROW_LANES", f64::from(self.constants.row_lanes)),
        ]
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "x", slot: 1, buffer: self.x, float: true, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "y", slot: 2, buffer: &*self.y, float: true, read_only: false, written: true, element_bytes: 4, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let x = self.x.read();
        let mut y = self.y.write();
        crate::reference::softmax::forward_log::<f32>(&self.params, x.f32(), y.f32_mut());
    }
}

/// Entry point `backward_log`: reads y, dy; writes dx.
pub struct BackwardLog<'a> {
    /// Its uniforms.
    pub params: Params,
    /// What its pipeline is compiled with.
    pub constants: Constants,
    /// `[N, C]`  kept for backward
    pub y: &'a Buffer,
    /// `[N, C]`
    pub dy: &'a Buffer,
    /// `[N, C]`
    pub dx: &'a mut Buffer,
}

impl Kernel for BackwardLog<'_> {
    const STEM: &'static str = "softmax";
    const ENTRY: &'static str = "backward_log";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [256, 1, 1];
    const USES_PARAMS: bool = true;

    fn params(&self) -> &[u8] {
        bytemuck::bytes_of(&self.params)
    }

    fn constants(&self) -> Vec<(&'static str, f64)> {
        vec![
            ("ROW_LANES", f64::from(self.constants.row_lanes)),
        ]
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "y", slot: 2, buffer: self.y, float: true, read_only: false, written: false, element_bytes: 4, any_float: false },
            Binding { name: "dy", slot: 3, buffer: self.dy, float: true, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "dx", slot: 4, buffer: &*self.dx, float: true, read_only: false, written: true, element_bytes: 4, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let y = self.y.read();
        let dy = self.dy.read();
        let mut dx = self.dx.write();
        crate::reference::softmax::backward_log::<f32>(&self.params, (y.f32(), dy.f32()), dx.f32_mut());
    }
}
