//! Signatures of `shaders/layer_norm_rows.wgsl`, one struct per entry point.
//!
//! @generated from the shader; run `UPDATE_KERNELS=1 cargo test -p wgrad-codegen`. Do not edit.

#![cfg_attr(rustfmt, rustfmt::skip)]

use crate::device::{Binding, Buffer, Kernel};
pub use crate::params::layer_norm::{Params};

/// The WGSL text, shared functions first.
pub const SOURCE: &str = concat!(
    include_str!("../../../shaders/shared/spread.wgsl"),
    include_str!("../../../shaders/shared/philox.wgsl"),
    include_str!("../../../shaders/shared/dropout.wgsl"),
    include_str!("../../../shaders/layer_norm_rows.wgsl"),
);

/// Entry point `forward`: reads x, gamma, beta; writes y, moments.
pub struct Forward<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[N, C]`
    pub x: &'a Buffer,
    /// `[C]`
    pub gamma: &'a Buffer,
    /// `[C]`
    pub beta: &'a Buffer,
    /// `[N, C]`
    pub y: &'a mut Buffer,
    /// `[N, 2]`  μ and r, kept for backward
    pub moments: &'a mut Buffer,
}

impl Kernel for Forward<'_> {
    const STEM: &'static str = "layer_norm_rows";
    const ENTRY: &'static str = "forward";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [32, 1, 1];
    const USES_PARAMS: bool = true;

    fn params(&self) -> &[u8] {
        bytemuck::bytes_of(&self.params)
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "x", slot: 1, buffer: self.x, float: true, read_only: true, written: false, element_bytes: 16, any_float: true },
            Binding { name: "gamma", slot: 4, buffer: self.gamma, float: true, read_only: true, written: false, element_bytes: 16, any_float: false },
            Binding { name: "beta", slot: 5, buffer: self.beta, float: true, read_only: true, written: false, element_bytes: 16, any_float: false },
            Binding { name: "y", slot: 7, buffer: &*self.y, float: true, read_only: false, written: true, element_bytes: 16, any_float: true },
            Binding { name: "moments", slot: 8, buffer: &*self.moments, float: true, read_only: false, written: true, element_bytes: 8, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let x = self.x.read();
        let gamma = self.gamma.read();
        let beta = self.beta.read();
        let mut y = self.y.write();
        let mut moments = self.moments.write();
        crate::reference::layer_norm::forward::<f32>(&self.params, (x.f32(), gamma.f32(), beta.f32()), (y.f32_mut(), moments.f32_mut()));
    }
}

/// Entry point `forward_residual`: reads x, residual, key, gamma, beta; writes h, y, moments.
pub struct ForwardResidual<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[N, C]`
    pub x: &'a Buffer,
    /// `[N, C]`
    pub residual: &'a Buffer,
    /// `[2]`     of the step
    pub key: &'a Buffer,
    /// `[C]`
    pub gamma: &'a Buffer,
    /// `[C]`
    pub beta: &'a Buffer,
    /// `[N, C]`  what is normalised, kept for backward
    pub h: &'a mut Buffer,
    /// `[N, C]`
    pub y: &'a mut Buffer,
    /// `[N, 2]`  μ and r, kept for backward
    pub moments: &'a mut Buffer,
}

impl Kernel for ForwardResidual<'_> {
    const STEM: &'static str = "layer_norm_rows";
    const ENTRY: &'static str = "forward_residual";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [32, 1, 1];
    const USES_PARAMS: bool = true;

    fn params(&self) -> &[u8] {
        bytemuck::bytes_of(&self.params)
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "x", slot: 1, buffer: self.x, float: true, read_only: true, written: false, element_bytes: 16, any_float: true },
            Binding { name: "residual", slot: 2, buffer: self.residual, float: true, read_only: true, written: false, element_bytes: 16, any_float: true },
            Binding { name: "key", slot: 3, buffer: self.key, float: false, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "gamma", slot: 4, buffer: self.gamma, float: true, read_only: true, written: false, element_bytes: 16, any_float: false },
            Binding { name: "beta", slot: 5, buffer: self.beta, float: true, read_only: true, written: false, element_bytes: 16, any_float: false },
            Binding { name: "h", slot: 6, buffer: &*self.h, float: true, read_only: false, written: true, element_bytes: 16, any_float: true },
            Binding { name: "y", slot: 7, buffer: &*self.y, float: true, read_only: false, written: true, element_bytes: 16, any_float: true },
            Binding { name: "moments", slot: 8, buffer: &*self.moments, float: true, read_only: false, written: true, element_bytes: 8, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let x = self.x.read();
        let residual = self.residual.read();
        let key = self.key.read();
        let gamma = self.gamma.read();
        let beta = self.beta.read();
        let mut h = self.h.write();
        let mut y = self.y.write();
        let mut moments = self.moments.write();
        crate::cpu::layer_norm::forward_residual(&self.params, (x.f32(), residual.f32(), key.u32(), gamma.f32(), beta.f32()), (h.f32_mut(), y.f32_mut(), moments.f32_mut()));
    }
}

/// Entry point `backward`: reads gamma, h, moments, dy; writes dh.
pub struct Backward<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[C]`
    pub gamma: &'a Buffer,
    /// `[N, C]`  what is normalised, kept for backward
    pub h: &'a Buffer,
    /// `[N, 2]`  μ and r, kept for backward
    pub moments: &'a Buffer,
    /// `[N, C]`
    pub dy: &'a Buffer,
    /// `[N, C]`  also the gradient of the residual
    pub dh: &'a mut Buffer,
}

impl Kernel for Backward<'_> {
    const STEM: &'static str = "layer_norm_rows";
    const ENTRY: &'static str = "backward";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [32, 1, 1];
    const USES_PARAMS: bool = true;

    fn params(&self) -> &[u8] {
        bytemuck::bytes_of(&self.params)
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "gamma", slot: 4, buffer: self.gamma, float: true, read_only: true, written: false, element_bytes: 16, any_float: false },
            Binding { name: "h", slot: 6, buffer: self.h, float: true, read_only: false, written: false, element_bytes: 16, any_float: true },
            Binding { name: "moments", slot: 8, buffer: self.moments, float: true, read_only: false, written: false, element_bytes: 8, any_float: false },
            Binding { name: "dy", slot: 9, buffer: self.dy, float: true, read_only: true, written: false, element_bytes: 16, any_float: true },
            Binding { name: "dh", slot: 10, buffer: &*self.dh, float: true, read_only: false, written: true, element_bytes: 16, any_float: true },
        ]
    }

    fn on_cpu(self) {
        let gamma = self.gamma.read();
        let h = self.h.read();
        let moments = self.moments.read();
        let dy = self.dy.read();
        let mut dh = self.dh.write();
        crate::reference::layer_norm::backward::<f32>(&self.params, (gamma.f32(), h.f32(), moments.f32(), dy.f32()), dh.f32_mut());
    }
}

/// Entry point `backward_dropout`: reads key, gamma, h, moments, dy; writes dh, dx.
pub struct BackwardDropout<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[2]`     of the step
    pub key: &'a Buffer,
    /// `[C]`
    pub gamma: &'a Buffer,
    /// `[N, C]`  what is normalised, kept for backward
    pub h: &'a Buffer,
    /// `[N, 2]`  μ and r, kept for backward
    pub moments: &'a Buffer,
    /// `[N, C]`
    pub dy: &'a Buffer,
    /// `[N, C]`  also the gradient of the residual
    pub dh: &'a mut Buffer,
    /// `[N, C]`
    pub dx: &'a mut Buffer,
}

impl Kernel for BackwardDropout<'_> {
    const STEM: &'static str = "layer_norm_rows";
    const ENTRY: &'static str = "backward_dropout";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [32, 1, 1];
    const USES_PARAMS: bool = true;

    fn params(&self) -> &[u8] {
        bytemuck::bytes_of(&self.params)
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "key", slot: 3, buffer: self.key, float: false, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "gamma", slot: 4, buffer: self.gamma, float: true, read_only: true, written: false, element_bytes: 16, any_float: false },
            Binding { name: "h", slot: 6, buffer: self.h, float: true, read_only: false, written: false, element_bytes: 16, any_float: true },
            Binding { name: "moments", slot: 8, buffer: self.moments, float: true, read_only: false, written: false, element_bytes: 8, any_float: false },
            Binding { name: "dy", slot: 9, buffer: self.dy, float: true, read_only: true, written: false, element_bytes: 16, any_float: true },
            Binding { name: "dh", slot: 10, buffer: &*self.dh, float: true, read_only: false, written: true, element_bytes: 16, any_float: true },
            Binding { name: "dx", slot: 11, buffer: &*self.dx, float: true, read_only: false, written: true, element_bytes: 16, any_float: true },
        ]
    }

    fn on_cpu(self) {
        let key = self.key.read();
        let gamma = self.gamma.read();
        let h = self.h.read();
        let moments = self.moments.read();
        let dy = self.dy.read();
        let mut dh = self.dh.write();
        let mut dx = self.dx.write();
        crate::cpu::layer_norm::backward_dropout(&self.params, (key.u32(), gamma.f32(), h.f32(), moments.f32(), dy.f32()), (dh.f32_mut(), dx.f32_mut()));
    }
}

/// Entry point `backward_params`: reads h, moments, dy; writes partial_dgamma, partial_dbeta.
pub struct BackwardParams<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[N, C]`  what is normalised, kept for backward
    pub h: &'a Buffer,
    /// `[N, 2]`  μ and r, kept for backward
    pub moments: &'a Buffer,
    /// `[N, C]`
    pub dy: &'a Buffer,
    /// `[S, C]`
    pub partial_dgamma: &'a mut Buffer,
    /// `[S, C]`
    pub partial_dbeta: &'a mut Buffer,
}

impl Kernel for BackwardParams<'_> {
    const STEM: &'static str = "layer_norm_rows";
    const ENTRY: &'static str = "backward_params";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [16, 1, 1];
    const USES_PARAMS: bool = true;

    fn params(&self) -> &[u8] {
        bytemuck::bytes_of(&self.params)
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "h", slot: 6, buffer: self.h, float: true, read_only: false, written: false, element_bytes: 16, any_float: true },
            Binding { name: "moments", slot: 8, buffer: self.moments, float: true, read_only: false, written: false, element_bytes: 8, any_float: false },
            Binding { name: "dy", slot: 9, buffer: self.dy, float: true, read_only: true, written: false, element_bytes: 16, any_float: true },
            Binding { name: "partial_dgamma", slot: 12, buffer: &*self.partial_dgamma, float: true, read_only: false, written: true, element_bytes: 16, any_float: false },
            Binding { name: "partial_dbeta", slot: 13, buffer: &*self.partial_dbeta, float: true, read_only: false, written: true, element_bytes: 16, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let h = self.h.read();
        let moments = self.moments.read();
        let dy = self.dy.read();
        let mut partial_dgamma = self.partial_dgamma.write();
        let mut partial_dbeta = self.partial_dbeta.write();
        crate::reference::layer_norm::backward_params::<f32>(&self.params, (h.f32(), moments.f32(), dy.f32()), (partial_dgamma.f32_mut(), partial_dbeta.f32_mut()));
    }
}

/// Entry point `sum_params`: reads partial_dgamma, partial_dbeta; writes dgamma, dbeta.
pub struct SumParams<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[S, C]`
    pub partial_dgamma: &'a Buffer,
    /// `[S, C]`
    pub partial_dbeta: &'a Buffer,
    /// `[C]`
    pub dgamma: &'a mut Buffer,
    /// `[C]`
    pub dbeta: &'a mut Buffer,
}

impl Kernel for SumParams<'_> {
    const STEM: &'static str = "layer_norm_rows";
    const ENTRY: &'static str = "sum_params";
    const SOURCE: &'static str = SOURCE;
    const WORKGROUP: [u32; 3] = [64, 1, 1];
    const USES_PARAMS: bool = true;

    fn params(&self) -> &[u8] {
        bytemuck::bytes_of(&self.params)
    }

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![
            Binding { name: "partial_dgamma", slot: 12, buffer: self.partial_dgamma, float: true, read_only: false, written: false, element_bytes: 16, any_float: false },
            Binding { name: "partial_dbeta", slot: 13, buffer: self.partial_dbeta, float: true, read_only: false, written: false, element_bytes: 16, any_float: false },
            Binding { name: "dgamma", slot: 14, buffer: &*self.dgamma, float: true, read_only: false, written: true, element_bytes: 16, any_float: false },
            Binding { name: "dbeta", slot: 15, buffer: &*self.dbeta, float: true, read_only: false, written: true, element_bytes: 16, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let partial_dgamma = self.partial_dgamma.read();
        let partial_dbeta = self.partial_dbeta.read();
        let mut dgamma = self.dgamma.write();
        let mut dbeta = self.dbeta.write();
        crate::reference::layer_norm::sum_params::<f32>(&self.params, (partial_dgamma.f32(), partial_dbeta.f32()), (dgamma.f32_mut(), dbeta.f32_mut()));
    }
}
