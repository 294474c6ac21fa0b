//! wgrad-engine: tensors, reverse-mode autodiff and hand-written WGSL kernels on any wgpu adapter.
//!
//! A reader's way in: [`device`] runs kernels, [`tensor`] holds their results, [`ops`] calls them and says
//! what backward keeps, [`backward`] walks the graph, [`weights`] and [`optimizer`] train. Every kernel is a
//! file of `shaders/`, its meaning in plain Rust is its twin in [`reference`](mod@reference).

pub mod backward;
pub mod cpu;
pub mod device;
pub mod file;
pub mod kernels;
pub mod ops;
pub mod optimizer;
pub mod params;
pub mod random;
pub mod reference;
pub mod schedule;
pub mod shape;
pub mod tensor;
pub mod testing;
pub mod weights;

pub use device::{Device, Error};
pub use shape::Shape;
pub use tensor::{Gradients, Tensor, no_grad};
