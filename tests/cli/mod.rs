//! The command line from outside: the real binary, the files it writes, its exit codes and its error lines.

mod bad_data;
mod bad_models;
mod bad_settings;
mod checkpoints;
mod colbert;
mod cpt;
mod demo;
mod determinism;
mod electra_files;
mod gradient_cache;
mod gradients;
mod help;
mod hostile_files;
mod interrupted;
mod labels;
mod pipeline;
mod refusal;
mod runs;
mod shared_folder;
mod torch_files;
mod world;
