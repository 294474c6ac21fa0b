//! All tests of the workspace, one binary.

mod engine;
mod ops;
