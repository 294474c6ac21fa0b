//! `wgrad grad`: one forward and backward without dropout, for comparison with any other framework.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use wgrad_engine::file::{HostTensor, TensorFile, Values, serialize};

use super::output::expect_writable;
use super::{Failure, Global};
use crate::checkpoint::ModelDirectory;
use crate::data::atomic;
use crate::train::gradients::gradients;
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
    #[arg(long, value_parser = ["mlm", "retromae", "dupmae", "condenser", "cocondenser", "electra", "xlnet", "clm",
                                "contrastive", "cpt", "colbert", "cross-encoder", "classification", "regression",
                                "token-classification"])]
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
    expect_writable("--out", &args.out)?;
    let mut recipe = Recipe::default();
    for assignment in &args.set {
        recipe.set(assignment)?;
    }
    recipe.flag("precision", global.precision.clone());
    let directory = ModelDirectory::open(&args.model)?;
    let batch = TensorFile::open(&args.batch)?;
    let device = global.open()?;
    let tensors = gradients(&device, &args.objective, &mut recipe, &directory, &batch)?;
    atomic::write_file(&args.out, &serialize(&tensors))?;
    super::profile::finish(global, &device)?;
    print(global, &args.out, &tensors);
    Ok(())
}

fn print(global: &Global, out: &Path, tensors: &BTreeMap<String, HostTensor>) {
    let scalars = tensors.iter().filter_map(|(name, tensor)| match &tensor.values {
        Values::F32(values) if tensor.shape.is_empty() => Some((name.as_str(), values[0])),
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
