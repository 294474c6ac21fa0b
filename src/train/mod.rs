//! Training: the run folder, its files, and what a person sees while a run goes on.
//!
//! `run_folder` owns the folder and its lock;
//! `recipe` says what a run was asked to do, `metrics` what happened, `chart` and `report` show it.

pub mod chart;
pub mod cost;
pub mod cross_encoder;
mod error;
pub mod finetune;
pub mod gradient_cache;
pub mod gradients;
mod hooks;
pub mod labels;
pub mod measures;
pub mod metrics;
pub mod objective;
pub mod pretrain;
pub mod probe;
pub mod progress;
pub mod recipe;
pub mod report;
pub mod run_folder;
pub mod session;
mod state;
pub mod tensorboard;
pub mod trainer;
pub mod verdict;

pub use error::Error;
