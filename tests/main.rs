//! All tests of the workspace, one binary.

mod bench;
mod cli;
mod data;
mod demo_corpus;
mod engine;
mod models;
mod ops;
mod portability;
mod retrieval;
mod tidy;
mod train;
