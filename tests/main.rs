//! All tests of the workspace, one binary.

mod demo_corpus;
mod engine;
mod ops;
mod retrieval;
mod tidy;
mod train;
