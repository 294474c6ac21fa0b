//! wgrad.

pub mod data;
pub mod retrieval;
