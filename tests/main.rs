//! All tests of the workspace, one binary.

mod data;
mod engine;
mod ops;
