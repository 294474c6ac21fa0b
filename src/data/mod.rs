//! Text in, host arrays out: nothing here knows a tensor.

pub mod rust_docs;
