//! What holds for the engine whatever the op: graph, memory, submission.

mod deterministic;
mod goldens;
mod graph;
mod half;
mod memory;
mod numerics;
mod optimizer;
mod schedule;
