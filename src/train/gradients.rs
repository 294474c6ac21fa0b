//! The loss and every gradient of one batch, for comparison with any other framework.

use std::collections::BTreeMap;

use wgrad_engine::device::Format;
use wgrad_engine::file::{HostTensor, TensorFile};
use wgrad_engine::ops::add;
use wgrad_engine::{Device, Tensor};
use wgrad_models::Mode;

use super::finetune::{Representation, representation};
use super::labels::kind_of;
use super::objective::{
    ClmObjective, CoCondenserObjective, ColbertObjective, ColbertSettings, CondenserObjective,
    ContrastiveObjective, CptObjective, CrossEncoderObjective, DupMaeObjective, ElectraObjective,
    HybridObjective, LabelObjective, MlmObjective, Objective, Pretraining, RetroMaeObjective,
    XlNetObjective,
};
use super::recipe::Recipe;
use super::session::precision;
use super::trainer::TrainError;
use crate::checkpoint::ModelDirectory;

/// Every term, gradient and hidden state of one batch.
///
/// # Errors
/// What is wrong with the settings, the model or the batch.
pub fn gradients(
    device: &Device,
    objective: &str,
    recipe: &mut Recipe,
    directory: &ModelDirectory,
    batch: &TensorFile,
) -> Result<BTreeMap<String, HostTensor>, TrainError> {
    let config = directory.config.clone();
    let format = precision(recipe)?;
    let batch = (batch, format);
    match objective {
        "cocondenser" => of_pretraining::<CoCondenserObjective>(device, recipe, directory, batch),
        "clm" => of_pretraining::<ClmObjective>(device, recipe, directory, batch),
        "condenser" => of_pretraining::<CondenserObjective>(device, recipe, directory, batch),
        "dupmae" => of_pretraining::<DupMaeObjective>(device, recipe, directory, batch),
        "electra" => of_pretraining::<ElectraObjective>(device, recipe, directory, batch),
        "retromae" => of_pretraining::<RetroMaeObjective>(device, recipe, directory, batch),
        "xlnet" => of_pretraining::<XlNetObjective>(device, recipe, directory, batch),
        "colbert" => {
            let width = directory.late_interaction()?.map(|late| late.width);
            let settings = ColbertSettings::of_recipe(recipe, width)?;
            recipe.finish()?;
            collect(ColbertObjective::new(device, config, settings, 0)?, directory, batch)
        }
        "cross-encoder" => {
            let objective = CrossEncoderObjective::from_recipe(device, &config, recipe, 0)?;
            recipe.finish()?;
            collect(objective, directory, batch)
        }
        "classification" | "regression" | "token-classification" => {
            recipe.finish()?;
            let kind = kind_of(objective);
            collect(LabelObjective::new(device, config, kind, 0)?, directory, batch)
        }
        "contrastive" => {
            let (representation, temperature) = representation(recipe, &config)?;
            let options = (temperature, recipe.get("group_size", 1_usize)?);
            recipe.finish()?;
            match representation {
                Representation::Dense { how, cache_chunk } => {
                    let mut objective = ContrastiveObjective::new(device, config, how, options, 0)?;
                    objective.cache_chunk = cache_chunk;
                    collect(objective, directory, batch)
                }
                Representation::Hybrid(parts) => {
                    let objective = HybridObjective::new(device, config, parts, options, 0)?;
                    collect(objective, directory, batch)
                }
            }
        }
        "cpt" => {
            let group_size = recipe.get("group_size", 1_usize)?;
            recipe.finish()?;
            collect(CptObjective::new(device, config, group_size, 0)?, directory, batch)
        }
        _ => of_pretraining::<MlmObjective>(device, recipe, directory, batch),
    }
}

fn of_pretraining<O: Pretraining>(
    device: &Device,
    recipe: &mut Recipe,
    directory: &ModelDirectory,
    batch: (&TensorFile, Format),
) -> Result<BTreeMap<String, HostTensor>, TrainError> {
    O::expect_model_type(&directory.config)?;
    let objective = O::from_recipe(device, directory.config.clone(), recipe, 0)?;
    recipe.finish()?;
    collect(objective, directory, batch)
}

fn collect<O: Objective>(
    mut objective: O,
    directory: &ModelDirectory,
    (batch, format): (&TensorFile, Format),
) -> Result<BTreeMap<String, HostTensor>, TrainError> {
    directory.load_whole(objective.weights_mut())?;
    let device = objective.weights().device().clone();
    // A power of two that lifts f16 gradients above what vanishes, and is divided out exactly.
    let scale = if format == Format::Half { 1024.0 } else { 1.0 };
    let factor = Tensor::f32(&device, [], &[scale]);
    let mode = Mode::evaluation().storing(format);
    let mut gathered: Vec<Option<Tensor>> = vec![None; objective.weights().params().len()];
    let mut gather = |gradients| {
        let gradients = objective.weights().gradients(gradients);
        for (sum, gradient) in gathered.iter_mut().zip(gradients) {
            *sum = match (sum.take(), gradient) {
                (Some(sum), Some(gradient)) => {
                    Some(add(&sum, &gradient.reshape(sum.shape().clone())))
                }
                (sum, gradient) => sum.or(gradient),
            };
        }
    };
    let terms = objective.backward_of_file(&device, batch, (&mode, &factor), &mut gather)?;
    let host = |tensor: &Tensor| HostTensor::f32(tensor.shape().axes(), tensor.to_f32());
    let mut tensors = BTreeMap::from([
        ("loss".to_string(), host(&terms.loss)),
        ("out.last_hidden_state".to_string(), host(&terms.hidden)),
    ]);
    tensors.extend(terms.terms.iter().map(|(name, term)| ((*name).to_string(), host(term))));
    for (param, gradient) in objective.weights().params().iter().zip(gathered) {
        if let Some(gradient) = gradient {
            let name = format!("grad.{}", directory.published(param.name()));
            let shape = param.declared_shape().axes();
            let values = gradient.to_f32().into_iter().map(|value| value / scale).collect();
            tensors.insert(name, HostTensor::f32(shape, values));
        }
    }
    Ok(tensors)
}
