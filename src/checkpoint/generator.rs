//! ELECTRA's generator: a directory `generator/` of its own inside that of the discriminator.
//!
//! It is a whole `ElectraForMaskedLM`. The embeddings that both share are written into both, and read from the discriminator.

use std::fs;
use std::io;
use std::path::Path;

use serde_json::json;
use wgrad_engine::file::serialize;
use wgrad_models::bert::Config;
use wgrad_models::electra::generator_config;

use super::stored::{self, Tensors};
use super::{Error, read_config, write_json};

/// How the generator's parameters begin beside the discriminator's.
pub const PREFIX: &str = "generator.";
/// What an adversarial generator expects of a draw: no `ElectraForMaskedLM` has it, so it is of the heads.
pub const BASELINE: &str = "generator.baseline.";
/// What a generator may share.
const EMBEDDINGS: &str = "electra.embeddings.";
/// Factors of the generator's size in the discriminator's config.json.
const FACTORS: [&str; 2] = ["generator_hidden_size", "generator_layers"];

/// The generator inside of `dir`, if there is one. Its sizes go into `config`, the discriminator's.
///
/// # Errors
/// [`Error`], naming the file; [`Error::Config`] for sizes that do not go with the discriminator's.
pub fn read(dir: &Path, config: &mut Config) -> Result<Option<Tensors>, Error> {
    let (dir, json) = (dir.join("generator"), dir.join("generator/config.json"));
    if config.model_type != "electra" || !dir.exists() {
        return Ok(None);
    }
    let own = read_config(&json)?;
    let sizes = |config: &Config| {
        let Config { vocab_size, hidden_size, num_hidden_layers, num_attention_heads, .. } =
            *config;
        let widths = [config.intermediate_size, config.embedding_size()];
        ([vocab_size, hidden_size, num_hidden_layers, num_attention_heads], widths)
    };
    if sizes(&generator_config(config)) != sizes(&own) {
        let factor = |own: usize, whole: usize| json!(own as f64 / whole as f64);
        let factors = [
            factor(own.hidden_size, config.hidden_size),
            factor(own.num_hidden_layers, config.num_hidden_layers),
        ];
        config.rest.extend(FACTORS.map(str::to_string).into_iter().zip(factors));
    }
    let expected = generator_config(config);
    if sizes(&expected) != sizes(&own) {
        let reason = format!(
            "vocabulary, hidden size, layers, heads, intermediate and embedding size are {:?}, expected {:?} beside the \
             discriminator: heads of 64 channels, four times as wide between",
            sizes(&own),
            sizes(&expected)
        );
        return Err(Error::Config { path: json, reason });
    }
    Ok(Some(stored::model(&dir)?.tensors))
}

/// Writes the generator, whose parameters are `own`, into `dir`; what it shares is in the discriminator's `model`.
///
/// # Errors
/// What the operating system answers.
pub fn write(dir: &Path, config: &Config, model: &Tensors, own: Tensors) -> io::Result<()> {
    if own.is_empty() {
        return Ok(());
    }
    let dir = dir.join("generator");
    fs::create_dir_all(&dir)?;
    let shared = model.iter().filter(|(name, _)| name.starts_with(EMBEDDINGS));
    let mut tensors: Tensors =
        shared.map(|(name, tensor)| (name.clone(), tensor.clone())).collect();
    let bare = |name: String| name.trim_start_matches(PREFIX).to_string();
    tensors.extend(own.into_iter().map(|(name, tensor)| (bare(name), tensor)));
    let mut config = generator_config(config);
    config.rest.retain(|key, _| !FACTORS.contains(&key.as_str()));
    config.rest.insert("architectures".into(), json!(["ElectraForMaskedLM"]));
    write_json(&dir.join("config.json"), &serde_json::to_value(&config)?)?;
    fs::write(dir.join("model.safetensors"), serialize(&tensors))
}
