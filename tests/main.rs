//! All tests of the workspace, one binary.

mod demo_corpus;
mod retrieval;
