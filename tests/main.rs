//! All tests of the workspace, one binary.

mod engine;
mod ops;
mod tidy;
mod train;
mod demo_corpus;
mod retrieval;
