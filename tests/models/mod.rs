//! Models against other frameworks.

mod colbert;
mod fixtures;
mod gpt2;
mod gradient_cache;
mod labels;
mod xlnet;
mod xlnet_memory;
