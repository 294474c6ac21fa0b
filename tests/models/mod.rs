//! Models against other frameworks.

mod fixtures;
mod xlnet;
mod xlnet_memory;
