//! Models against other frameworks.

mod fixtures;
mod labels;
mod xlnet;
