//! All tests of the workspace, one binary.
