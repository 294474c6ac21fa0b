//! What a checkpoint holds beside the model: moments, step and seed, so that a resumed run goes on bit for bit.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use wgrad_engine::file::{HostTensor, TensorFile, serialize};
use wgrad_engine::optimizer::{AdamW, AdamWState};
use wgrad_engine::weights::Weights;
use wgrad_engine::{Tensor, file::FileError};

use super::Error;
use super::objective::Objective;
use super::trainer::TrainError;
use crate::checkpoint;

const WEIGHTS: &str = "weights.safetensors";
const MOMENTS: &str = "optimizer.safetensors";
const STATE: &str = "state.json";
const CARRIED: &str = "carried.safetensors";
/// The scale of the loss, and the steps since it changed.
const SCALE: &str = "loss_scale";

/// Where a run stands.
#[derive(Deserialize, Serialize)]
struct State {
    /// Steps taken.
    step: u64,
    /// What everything random is drawn from.
    seed: u64,
}

/// Writes the state after `step` steps into the directory `dir`.
///
/// # Errors
/// What the operating system answers.
pub fn write(
    dir: &Path,
    step: u64,
    seed: u64,
    weights: &Weights,
    optimizer: &AdamW,
) -> io::Result<()> {
    fs::write(dir.join(WEIGHTS), serialize(&weights.to_host(|_| true)))?;
    let state = optimizer.state();
    let named = |name: &'static str, arenas: Vec<Vec<f32>>| {
        let tensor = move |(at, values): (usize, Vec<f32>)| {
            (format!("{name}.{at}"), HostTensor::f32(vec![values.len()], values))
        };
        arenas.into_iter().enumerate().map(tensor)
    };
    let scale = [(SCALE.to_string(), HostTensor::f32(vec![2], state.scale.to_vec()))];
    let moments: BTreeMap<String, HostTensor> =
        named("first", state.first).chain(named("second", state.second)).chain(scale).collect();
    fs::write(dir.join(MOMENTS), serialize(&moments))?;
    let state = serde_json::to_string_pretty(&State { step, seed })?;
    fs::write(dir.join(STATE), state + "\n")
}

/// Brings weights and moments back to a checkpoint that was made with `seed`.
///
/// # Errors
/// [`TrainError::Model`] naming the file and the tensor that does not fit, [`TrainError::Run`] for another seed.
pub fn restore(
    dir: &Path,
    seed: u64,
    weights: &mut Weights,
    optimizer: &mut AdamW,
) -> Result<(), TrainError> {
    let (state, path) = read_state(dir)?;
    if state.seed != seed {
        let (path, was) = (path.display(), state.seed);
        let problem = format!(
            "{path}: expected the run's seed {was}, found --seed {seed}; leave it out to resume"
        );
        return Err(Error::Setting(problem).into());
    }
    let file = |error| TrainError::Model(checkpoint::Error::File(error));
    let saved = TensorFile::open(&dir.join(WEIGHTS)).map_err(file)?;
    let missing = weights.load(&saved.path, |name| saved.tensors.get(name)).map_err(file)?;
    if let Some(name) = missing.first() {
        let (path, count) = (saved.path.clone(), missing.len());
        return Err(checkpoint::Error::Missing { path, count, name: name.clone() }.into());
    }
    let moments = TensorFile::open(&dir.join(MOMENTS)).map_err(file)?;
    let read = |name: &str, arena: usize| -> Result<Vec<f32>, TrainError> {
        let (_, values) = moments.floats(&format!("{name}.{arena}")).map_err(file)?;
        Ok(values.to_vec())
    };
    let arenas = 0..weights.arenas().len();
    let first = arenas.clone().map(|arena| read("first", arena)).collect::<Result<_, _>>()?;
    let second = arenas.map(|arena| read("second", arena)).collect::<Result<_, _>>()?;
    let (_, scale) = moments.floats(SCALE).map_err(file)?;
    let scale = <[f32; 2]>::try_from(scale).map_err(|_| Error::Malformed {
        path: moments.path.clone(),
        line: 0,
        problem: format!("expected two numbers in `{SCALE}`, found {}", scale.len()),
    })?;
    optimizer.restore(&AdamWState { first, second, steps: state.step, scale });
    Ok(())
}

/// Writes what the next step is handed beside weights and moments into the directory `dir`; no file if that is nothing.
///
/// # Errors
/// What the operating system answers.
pub fn write_carried(dir: &Path, carried: &BTreeMap<String, Tensor>) -> io::Result<()> {
    if carried.is_empty() {
        return Ok(());
    }
    let host = |tensor: &Tensor| HostTensor::f32(tensor.shape().axes(), tensor.to_f32());
    let tensors = carried.iter().map(|(name, tensor)| (name.clone(), host(tensor))).collect();
    fs::write(dir.join(CARRIED), serialize(&tensors))
}

/// Hands `objective` what the steps before the checkpoint in `dir` carried over.
///
/// # Errors
/// [`TrainError::Model`] naming the file and the tensor that is missing or of another shape.
pub fn restore_carried<O: Objective>(dir: &Path, objective: &mut O) -> Result<(), TrainError> {
    let expected = objective.carried();
    if expected.is_empty() {
        return Ok(());
    }
    let wrong = |error: FileError| TrainError::Model(checkpoint::Error::File(error));
    let file = TensorFile::open(&dir.join(CARRIED)).map_err(wrong)?;
    let device = objective.weights().device().clone();
    let mut carried = BTreeMap::new();
    for (name, tensor) in expected {
        let (shape, values) = file.floats(&name).map_err(wrong)?;
        if shape != tensor.shape().axes() {
            let (path, expected) = (file.path.display(), tensor.shape());
            let problem = format!(
                "{path}: `{name}` is {shape:?}, expected {expected}; leave batch_size, memory and bi_data as they were"
            );
            return Err(Error::Setting(problem).into());
        }
        let restored = Tensor::f32(&device, shape, values);
        carried.insert(name, restored);
    }
    objective.carry_on(carried);
    Ok(())
}

fn read_state(dir: &Path) -> Result<(State, PathBuf), Error> {
    let path = dir.join(STATE);
    let bytes = fs::read(&path).map_err(Error::io(&path, "read the state of the run"))?;
    let state = serde_json::from_slice(&bytes).map_err(|error| Error::Malformed {
        path: path.clone(),
        line: error.line(),
        problem: format!("expected the step and the seed as JSON: {error}"),
    })?;
    Ok((state, path))
}
