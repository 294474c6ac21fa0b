//! Signatures of `shaders/adamw.wgsl`, one struct per entry point.
//!
//! @generated from the shader; run `UPDATE_KERNELS=1 cargo test -p wgrad-codegen`. Do not edit.

#![cfg_attr(rustfmt, rustfmt::skip)]

use crate::device::{Binding, Buffer, Kernel};
pub use crate::params::adamw::{Params};

/// The WGSL text, shared functions first.
pub const SOURCE: &str = concat!(
    include_str!("../../../shaders/shared/quads.wgsl"),
    include_str!("../../../shaders/adamw.wgsl"),
);

/// Entry point `step`: reads rates, state, decay, gradient; writes values, first_moment, second_moment.
pub struct Step<'a> {
    /// Its uniforms.
    pub params: Params,
    /// `[3]`      1 − ηλ, η/(1 − β₁ᵗ), √(1 − β₂ᵗ) of this step
    pub rates: &'a Buffer,
    /// `[3]`      ‖g‖, clip, finite
    pub state: &'a Buffer,
    /// `[words/2048]`  one bit a block of 64 words
    pub decay: &'a Buffer,
    /// `[words]`  g
    pub gradient: &'a Buffer,
    /// `[words]`  w
    pub values: &'a mut Buffer,
    /// `[words]`  m
    pub first_moment: &'a mut Buffer,
    /// `[words]`  v
    pub second_moment: &'a mut Buffer,
}

impl Kernel for Step<'_> {
    const STEM: &'static str = "adamw";
    const ENTRY: &'static str = "step";
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
            Binding { name: "decay", slot: 3, buffer: self.decay, float: false, read_only: true, written: false, element_bytes: 4, any_float: false },
            Binding { name: "gradient", slot: 4, buffer: self.gradient, float: true, read_only: true, written: false, element_bytes: 16, any_float: false },
            Binding { name: "values", slot: 5, buffer: &*self.values, float: true, read_only: false, written: true, element_bytes: 16, any_float: false },
            Binding { name: "first_moment", slot: 6, buffer: &*self.first_moment, float: true, read_only: false, written: true, element_bytes: 16, any_float: false },
            Binding { name: "second_moment", slot: 7, buffer: &*self.second_moment, float: true, read_only: false, written: true, element_bytes: 16, any_float: false },
        ]
    }

    fn on_cpu(self) {
        let rates = self.rates.read();
        let state = self.state.read();
        let decay = self.decay.read();
        let gradient = self.gradient.read();
        let mut values = self.values.write();
        let mut first_moment = self.first_moment.write();
        let mut second_moment = self.second_moment.write();
        crate::reference::adamw::step::<f32>(&self.params, (rates.f32(), state.f32(), decay.u32(), gradient.f32()), (values.f32_mut(), first_moment.f32_mut(), second_moment.f32_mut()));
    }
}
