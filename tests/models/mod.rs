//! Models against other frameworks.

mod fixtures;
mod gpt2;
mod gradient_cache;
mod xlnet;
