//! A model directory is written: who the tensors are for says which of them it holds, and under which names.

use std::fs;
use std::io;
use std::path::Path;

use serde_json::json;
use wgrad_engine::file::serialize;
use wgrad_engine::weights::Weights;
use wgrad_models::bert::Config;
use wgrad_models::{Pooling, Similarity, hybrid};

use super::{GPT2, XLNET, encoder_prefix, generator, hybrid_files, sentence_transformers};

/// What a written directory is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// More pre-training: `BertForMaskedLM`, `ElectraForPreTraining`, `ElectraForMaskedLM`, `XLNetLMHeadModel` or
    /// `GPT2LMHeadModel`.
    MaskedLm,
    /// Retrieval: `BertModel` or `ElectraModel` with the files of sentence-transformers.
    Retriever {
        /// States to vector.
        pooling: Pooling,
        /// Unit length or not.
        similarity: Similarity,
        /// Tokens of the longest text.
        max_length: usize,
    },
    /// Retrieval by DupMAE's hybrid representation; sentence-transformers knows its dense part.
    Hybrid {
        /// What it is made of.
        options: hybrid::Options,
        /// Tokens of the longest text.
        max_length: usize,
    },
    /// One answer a text: `…ForSequenceClassification`.
    TextLabels,
    /// One answer a token: `…ForTokenClassification`.
    TokenLabels,
}

/// Writes a model into the directory `dir`, which exists. Parameters outside of Hugging Face's model go to
/// `head.safetensors`, those of ELECTRA's generator to `generator/`. The caller makes it atomic.
///
/// # Errors
/// What the operating system answers.
pub fn write(dir: &Path, config: &Config, weights: &Weights, purpose: Purpose) -> io::Result<()> {
    let is_retriever = matches!(purpose, Purpose::Retriever { .. } | Purpose::Hybrid { .. });
    let mut config = config.clone();
    let has_own_keys = [XLNET, GPT2].contains(&config.model_type.as_str());
    let architecture = match (config.model_type.as_str(), purpose) {
        (GPT2, Purpose::MaskedLm) => "GPT2LMHeadModel",
        (GPT2, _) => "GPT2Model",
        (XLNET, Purpose::MaskedLm) => "XLNetLMHeadModel",
        (XLNET, Purpose::TextLabels) => "XLNetForSequenceClassification",
        (XLNET, Purpose::TokenLabels) => "XLNetForTokenClassification",
        (XLNET, _) => "XLNetModel",
        ("electra", Purpose::MaskedLm) if names_tokens(weights) => "ElectraForMaskedLM",
        ("electra", Purpose::MaskedLm) => "ElectraForPreTraining",
        ("electra", Purpose::TextLabels) => "ElectraForSequenceClassification",
        ("electra", Purpose::TokenLabels) => "ElectraForTokenClassification",
        ("electra", _) => "ElectraModel",
        (_, Purpose::MaskedLm) => "BertForMaskedLM",
        (_, Purpose::TextLabels) => "BertForSequenceClassification",
        (_, Purpose::TokenLabels) => "BertForTokenClassification",
        _ => "BertModel",
    };
    config.rest.insert("architectures".into(), json!([architecture]));
    config.rest.entry("torch_dtype").or_insert(json!("float32"));
    let json = if has_own_keys { json!(config.rest) } else { serde_json::to_value(&config)? };
    write_json(&dir.join("config.json"), &json)?;

    let encoder = encoder_prefix(&config.model_type);
    let published = [
        encoder,
        "cls.",
        "discriminator_predictions.",
        "generator_predictions.",
        "generator_lm_head.",
        "lm_loss.",
    ];
    let published = [&published[..], &wgrad_models::labels::PUBLISHED].concat();
    // A hybrid's directory is an encoder, which has no place for the head that it makes its words with.
    let kinds = if let Purpose::Hybrid { .. } = purpose { 1 } else { published.len() };
    let is_generator =
        |name: &str| name.starts_with(generator::PREFIX) && !name.starts_with(generator::BASELINE);
    let is_model = |name: &str| published[..kinds].iter().any(|prefix| name.starts_with(prefix));
    let is_head = |name: &str| !is_generator(name) && !is_model(name);
    let mut model = weights.to_host(is_model);
    generator::write(dir, &config, &model, weights.to_host(is_generator))?;
    if is_retriever {
        let bare = |name: String| name.trim_start_matches(encoder).to_string();
        model = model.into_iter().map(|(name, tensor)| (bare(name), tensor)).collect();
    }
    fs::write(dir.join("model.safetensors"), serialize(&model))?;
    let head = weights.to_host(is_head);
    if !head.is_empty() {
        fs::write(dir.join("head.safetensors"), serialize(&head))?;
    }
    let hidden = config.hidden_size;
    match purpose {
        Purpose::MaskedLm | Purpose::TextLabels | Purpose::TokenLabels => Ok(()),
        Purpose::Retriever { pooling, similarity, max_length } => {
            sentence_transformers::write(dir, hidden, pooling, similarity, max_length)
        }
        Purpose::Hybrid { options, max_length } => {
            let (pooling, similarity) = (Pooling::Cls, Similarity::Dot);
            sentence_transformers::write(dir, hidden, pooling, similarity, max_length)?;
            hybrid_files::write(dir, &options, weights)
        }
    }
}

/// Whether an ELECTRA has the head of a masked language model: a generator, or "Replace MLM".
fn names_tokens(weights: &Weights) -> bool {
    weights.params().iter().any(|param| param.name() == "generator_lm_head.bias")
}

pub fn write_json(path: &Path, value: &serde_json::Value) -> io::Result<()> {
    fs::write(path, serde_json::to_string_pretty(value)? + "\n")
}
