//! The parts of wgrad above the engine: data, training, retrieval and the command line.

pub mod checkpoint;
pub mod cli;
pub mod data;
pub mod retrieval;
pub mod train;
