//! The command line from outside: the real binary, the files it writes, its exit codes and its error lines.

mod bad_data;
mod bad_models;
mod bad_settings;
mod checkpoints;
mod determinism;
mod gradients;
mod help;
mod interrupted;
mod labels;
mod pipeline;
mod refusal;
mod runs;
mod shared_folder;
mod world;
