//! wgrad.

pub mod data;
