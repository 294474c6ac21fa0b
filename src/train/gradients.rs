//! The loss and every gradient of one batch, for comparison with any other framework.

use std::collections::BTreeMap;

use wgrad_engine::device::Format;
use wgrad_engine::file::{HostTensor, TensorFile};
use wgrad_engine::{Device, Tensor};
use wgrad_models::Mode;

use super::labels::kind_of;
use super::objective::{
    CondenserObjective, ContrastiveObjective, CrossEncoderObjective, DupMaeObjective,
    ElectraObjective, LabelObjective, MlmObjective, Objective, Pretraining, RetroMaeObjective,
    XlNetObjective,
};
use super::recipe::Recipe;
use super::session::precision;
use super::trainer::TrainError;
use crate::checkpoint::ModelDirectory;
use crate::retrieval::encode::{POOLINGS, pooling_of};

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
        "condenser" => of_pretraining::<CondenserObjective>(device, recipe, directory, batch),
        "dupmae" => of_pretraining::<DupMaeObjective>(device, recipe, directory, batch),
        "electra" => of_pretraining::<ElectraObjective>(device, recipe, directory, batch),
        "retromae" => of_pretraining::<RetroMaeObjective>(device, recipe, directory, batch),
        "xlnet" => of_pretraining::<XlNetObjective>(device, recipe, directory, batch),
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
            let pooling = recipe.choice("pooling", &POOLINGS, "cls")?;
            let similarity = recipe.choice("similarity", &["cosine", "dot"], "cosine")?;
            let temperature = if similarity == "cosine" { 0.05 } else { 1.0 };
            let temperature = recipe.get("temperature", temperature)?;
            let group_size = recipe.get("group_size", 1_usize)?;
            recipe.finish()?;
            let (how, options) = (pooling_of(pooling, similarity), (temperature, group_size));
            collect(ContrastiveObjective::new(device, config, how, options, 0)?, directory, batch)
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
    let terms = objective.terms_of_file(&device, batch, &Mode::evaluation().storing(format))?;
    let host = |tensor: &Tensor| HostTensor::f32(tensor.shape().axes(), tensor.to_f32());
    let mut tensors = BTreeMap::from([
        ("loss".to_string(), host(&terms.loss)),
        ("out.last_hidden_state".to_string(), host(&terms.hidden)),
    ]);
    tensors.extend(terms.terms.iter().map(|(name, term)| ((*name).to_string(), host(term))));
    // A power of two that lifts f16 gradients above what vanishes, and is divided out exactly.
    let scale = if format == Format::Half { 1024.0 } else { 1.0 };
    let gradients = terms.loss.backward_with(&Tensor::f32(&device, [], &[scale]));
    let gradients = objective.weights().gradients(gradients);
    for (param, gradient) in objective.weights().params().iter().zip(gradients) {
        if let Some(gradient) = gradient {
            let name = format!("grad.{}", directory.published(param.name()));
            let shape = param.declared_shape().axes();
            let values = gradient.to_f32().into_iter().map(|value| value / scale).collect();
            tensors.insert(name, HostTensor::f32(shape, values));
        }
    }
    Ok(tensors)
}
