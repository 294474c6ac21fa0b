//! What holds for the engine whatever the op: graph, memory, submission.

mod deterministic;
mod goldens;
mod graph;
mod memory;
mod optimizer;
mod schedule;
