//! Models against other frameworks.

mod fixtures;
mod xlnet;
