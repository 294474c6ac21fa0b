//! Models against other frameworks.

mod colbert;
mod fixtures;
mod xlnet;
