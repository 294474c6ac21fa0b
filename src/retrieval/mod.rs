//! Ranks documents for queries and says how good the ranking is.

pub mod bm25;
pub mod encode;
pub mod hybrid;
pub mod late;
pub mod metrics;
pub mod rerank;
pub mod search;
pub mod trec;
