//! Models against other frameworks.

mod fixtures;
mod gradient_cache;
mod xlnet;
