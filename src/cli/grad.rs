//! `wgrad grad`: one forward and backward without dropout, for comparison with any other framework.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use wgrad_engine::Device;
use wgrad_engine::file::{HostTensor, TensorFile, serialize};

use super::{Failure, Global};
use crate::checkpoint::ModelDirectory;
use crate::retrieval::encode::pooling_of;
use crate::train::atomic;
use crate::train::objective::{ContrastiveObjective, MlmObjective, Objective, RetroMaeObjective};
use crate::train::pretrain::{decoder, decoder_query};
use crate::train::recipe::Recipe;

/// Writes gradients.
#[derive(clap::Args)]
#[command(after_help = "\
Example:  wgrad grad --model tests/fixtures/mlm_b1 --objective mlm \\
                     --batch tests/fixtures/mlm_b1/batch.safetensors --out gradients.safetensors")]
pub struct Args {
    /// The model.
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// What to differentiate.
    #[arg(long, value_parser = ["mlm", "retromae", "contrastive"])]
    objective: String,
    /// A setting of the objective; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// The batch as safetensors.
    #[arg(long, value_name = "FILE")]
    batch: PathBuf,
    /// The file that gets every term, `grad.<name>` of every parameter, and `out.last_hidden_state`.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

pub fn run(global: &Global, args: &Args) -> Result<(), Failure> {
    let mut recipe = Recipe::default();
    for assignment in &args.set {
        recipe.set(assignment)?;
    }
    let directory = ModelDirectory::open(&args.model)?;
    let batch = TensorFile::open(&args.batch)?;
    let device = global.open()?;
    let tensors = gradients(&device, &args.objective, &mut recipe, &directory, &batch)?;
    atomic::write_file(&args.out, &serialize(&tensors))?;
    super::profile::finish(global, &device)?;
    print(global, &args.out, &tensors);
    Ok(())
}

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
) -> Result<BTreeMap<String, HostTensor>, Failure> {
    let config = directory.config.clone();
    match objective {
        "retromae" => {
            let query = recipe.choice("decoder_query", &["pos_add", "bert_embed"], "pos_add")?;
            let decoding = recipe.choice("decoding", &["enhanced", "basic"], "enhanced")?;
            recipe.finish()?;
            let (query, decoding) = (decoder_query(query), decoder(decoding));
            collect(RetroMaeObjective::new(device, config, query, decoding, 0), directory, batch)
        }
        "contrastive" => {
            let pooling = recipe.choice("pooling", &["cls", "mean"], "cls")?;
            let similarity = recipe.choice("similarity", &["cosine", "dot"], "cosine")?;
            let temperature = if similarity == "cosine" { 0.05 } else { 1.0 };
            let temperature = recipe.get("temperature", temperature)?;
            let group_size = recipe.get("group_size", 1_usize)?;
            recipe.finish()?;
            let (how, options) = (pooling_of(pooling, similarity), (temperature, group_size));
            collect(ContrastiveObjective::new(device, config, how, options, 0), directory, batch)
        }
        _ => {
            recipe.finish()?;
            collect(MlmObjective::new(device, config, 0), directory, batch)
        }
    }
}

fn collect<O: Objective>(
    mut objective: O,
    directory: &ModelDirectory,
    batch: &TensorFile,
) -> Result<BTreeMap<String, HostTensor>, Failure> {
    let fresh = directory.load_into(objective.weights_mut())?;
    if let Some(name) = fresh.first() {
        let path = directory.path.display();
        return Err(format!("{path}: expected tensor `{name}` for this objective, found none").into());
    }
    let device = objective.weights().device().clone();
    let terms = objective.terms_of_file(&device, batch)?;
    let host = |tensor: &wgrad_engine::Tensor| HostTensor::f32(tensor.shape().axes(), tensor.to_f32());
    let mut tensors = BTreeMap::from([
        ("loss".to_string(), host(&terms.loss)),
        ("out.last_hidden_state".to_string(), host(&terms.hidden)),
    ]);
    tensors.extend(terms.terms.iter().map(|(name, term)| ((*name).to_string(), host(term))));
    let gradients = objective.weights().gradients(terms.loss.backward());
    for (param, gradient) in objective.weights().params().iter().zip(gradients) {
        if let Some(gradient) = gradient {
            let name = format!("grad.{}", directory.published(param.name()));
            let shape = param.declared_shape().axes();
            tensors.insert(name, HostTensor::f32(shape, gradient.to_f32()));
        }
    }
    Ok(tensors)
}

fn print(global: &Global, out: &Path, tensors: &BTreeMap<String, HostTensor>) {
    let scalars = tensors.iter().filter_map(|(name, tensor)| match &tensor.values {
        wgrad_engine::file::Values::F32(values) if tensor.shape.is_empty() => {
            Some((name.as_str(), values[0]))
        }
        _ => None,
    });
    let count = tensors.keys().filter(|name| name.starts_with("grad.")).count();
    if global.json {
        let mut json: serde_json::Map<_, _> =
            scalars.map(|(name, value)| (name.to_string(), value.into())).collect();
        json.insert("gradients".into(), count.into());
        json.insert("out".into(), out.display().to_string().into());
        println!("{}", serde_json::Value::Object(json));
        return;
    }
    for (name, value) in scalars {
        println!("{name:<16} {value}");
    }
    println!("{count} gradients in {}", out.display());
}
