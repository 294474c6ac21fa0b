//! All tests of the workspace, one binary.

mod tidy;
mod train;
