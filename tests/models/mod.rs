//! Models against other frameworks.

mod fixtures;
