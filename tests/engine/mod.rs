//! What holds for the engine whatever the op: graph, memory, submission.

mod graph;
mod memory;
mod optimizer;
mod schedule;
