//! Model directories as Hugging Face lays them out, read and written.
//!
//! Read: `config.json`, `model.safetensors` under any published form of its names, and `head.safetensors` for what
//! Hugging Face has no place for. Written: the same, and for retrievers the files of sentence-transformers.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::json;
use wgrad_engine::file::{FileError, HostTensor, TensorFile, serialize};
use wgrad_engine::weights::Weights;
use wgrad_models::bert::Config;
use wgrad_models::published::canonical;
use wgrad_models::{Pooling, Similarity};

/// What can be wrong with a model directory.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `config.json` is missing or not what it should be.
    #[error("{path}: expected the config.json of a BERT, ELECTRA or XLNet model: {reason}")]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A file of tensors.
    #[error(transparent)]
    File(#[from] FileError),
    /// Parameters of the encoder that the file lacks.
    #[error(
        "{path}: {count} tensors of the encoder are missing, the first is `{name}`; is this a BERT model?"
    )]
    Missing {
        /// The file.
        path: PathBuf,
        /// How many.
        count: usize,
        /// The first.
        name: String,
    },
    /// Parameters of a head that the file lacks.
    #[error(
        "{path}: {count} tensors of the model's head are missing, the first is `{name}`; was it trained for this?"
    )]
    Headless {
        /// The file.
        path: PathBuf,
        /// How many.
        count: usize,
        /// The first.
        name: String,
    },
    /// A file of sentence-transformers that cannot be followed.
    #[error("{path}: expected {expected}, found {found}")]
    Pooling {
        /// The file.
        path: PathBuf,
        /// What it should say.
        expected: &'static str,
        /// What it says.
        found: String,
    },
    /// The operating system refused.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
}

/// A model directory that was read.
pub struct ModelDirectory {
    /// Where it lies.
    pub path: PathBuf,
    /// Its hyper-parameters.
    pub config: Config,
    tensors: BTreeMap<String, (String, HostTensor)>,
}

impl ModelDirectory {
    /// Reads a directory.
    ///
    /// # Errors
    /// [`Error`], naming the file.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let config = read_config(&path.join("config.json"))?;
        let mut tensors = BTreeMap::new();
        let mut files = vec![TensorFile::open(&path.join("model.safetensors"))?];
        let head = path.join("head.safetensors");
        if head.exists() {
            files.push(TensorFile::open(&head)?);
        }
        for (published, tensor) in files.into_iter().flat_map(|file| file.tensors) {
            if let Some(name) = canonical(&config.model_type, &published) {
                tensors.insert(name, (published, tensor));
            }
        }
        Ok(Self { path: path.into(), config, tensors })
    }

    /// That its configuration describes no encoder, because of `reason`.
    pub fn wrong_config(&self, reason: String) -> Error {
        Error::Config { path: self.path.join("config.json"), reason }
    }

    /// The name under which the directory stores a parameter; its own if it does not.
    pub fn published<'a>(&'a self, name: &'a str) -> &'a str {
        self.tensors.get(name).map_or(name, |(published, _)| published)
    }

    /// Overwrites the parameters that the directory has. Returns the names of heads that it lacks, which keep their
    /// fresh values.
    ///
    /// # Errors
    /// [`Error::Missing`] if a parameter of the encoder is not there, [`Error::File`] for a wrong shape or a
    /// number that is not finite. Nothing is changed then.
    pub fn load_into(&self, weights: &mut Weights) -> Result<Vec<String>, Error> {
        let file = self.path.join("model.safetensors");
        let encoder = encoder_prefix(&self.config.model_type);
        let absent: Vec<&str> = weights
            .params()
            .iter()
            .map(|param| param.name())
            .filter(|name| name.starts_with(encoder) && !name.contains(".pooler."))
            .filter(|name| !self.tensors.contains_key(*name))
            .collect();
        if let Some(&first) = absent.first() {
            let (count, name) = (absent.len(), first.to_string());
            return Err(Error::Missing { path: file, count, name });
        }
        Ok(weights.load(&file, |name| self.tensors.get(name).map(|(_, tensor)| tensor))?)
    }

    /// As [`Self::load_into`], of a model that must be there whole, head included.
    ///
    /// # Errors
    /// As there, and [`Error::Headless`] for a parameter of a head.
    pub fn load_whole(&self, weights: &mut Weights) -> Result<(), Error> {
        let fresh = self.load_into(weights)?;
        let Some(name) = fresh.first().cloned() else { return Ok(()) };
        let path = self.path.join("model.safetensors");
        Err(Error::Headless { path, count: fresh.len(), name })
    }

    /// How the directory's sentence-transformers files say that states become a vector, if it has them.
    ///
    /// # Errors
    /// [`Error::Pooling`] for a file that is no JSON, or that asks for another pooling than `[CLS]`, last token or mean.
    pub fn pooling(&self) -> Result<Option<(Pooling, Similarity)>, Error> {
        if !self.path.join("modules.json").exists() {
            return Ok(None);
        }
        let modules = self.read_json("modules.json", "a list of modules")?.to_string();
        const FILE: &str = "1_Pooling/config.json";
        const EXPECTED: &str =
            "pooling by the [CLS] token, by the last token or by the mean of all";
        let json = self.read_json(FILE, EXPECTED)?;
        let asks = |key: &str, mode: &str| json[key] == true || json["pooling_mode"] == mode;
        let pooling = if asks("pooling_mode_mean_tokens", "mean") {
            Pooling::Mean
        } else if asks("pooling_mode_cls_token", "cls") {
            Pooling::Cls
        } else if asks("pooling_mode_lasttoken", "lasttoken") {
            Pooling::Last
        } else {
            let (path, found) = (self.path.join(FILE), json.to_string());
            return Err(Error::Pooling { path, expected: EXPECTED, found });
        };
        let unit = modules.contains("Normalize");
        Ok(Some((pooling, if unit { Similarity::Cosine } else { Similarity::Dot })))
    }

    /// Tokens of the longest text by sentence-transformers' file, `None` without one: what SentenceTransformer cuts at.
    ///
    /// # Errors
    /// If the file cannot be read or is no JSON.
    pub fn max_length(&self) -> Result<Option<usize>, Error> {
        const FILE: &str = "sentence_bert_config.json";
        if !self.path.join(FILE).exists() {
            return Ok(None);
        }
        let json = self.read_json(FILE, "an object with max_seq_length")?;
        Ok(json["max_seq_length"].as_u64().map(|longest| longest as usize))
    }

    /// Tokens of the longest row by the tokenizer's file, `None` where it does not say: what transformers cuts at.
    ///
    /// # Errors
    /// If the file cannot be read or is no JSON.
    pub fn longest_row(&self) -> Result<Option<usize>, Error> {
        const FILE: &str = "tokenizer_config.json";
        if !self.path.join(FILE).exists() {
            return Ok(None);
        }
        let json = self.read_json(FILE, "an object with model_max_length")?;
        Ok(json["model_max_length"].as_u64().map(|longest| longest as usize))
    }

    fn read_json(&self, file: &str, expected: &'static str) -> Result<serde_json::Value, Error> {
        let path = self.path.join(file);
        let text = fs::read_to_string(&path);
        let text = text.map_err(|source| Error::Io { path: path.clone(), source })?;
        serde_json::from_str(&text).map_err(|error| Error::Pooling {
            path,
            expected,
            found: error.to_string(),
        })
    }
}

/// Reads a `config.json`.
///
/// # Errors
/// [`Error::Config`] if it is missing, malformed, of another model type, or inconsistent.
pub fn read_config(path: &Path) -> Result<Config, Error> {
    let wrong = |reason: String| Error::Config { path: path.into(), reason };
    let text = fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let mut config: Config =
        serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    if config.model_type == XLNET {
        // Its keys are its own, and so are their defaults; all of them are kept as they stand.
        config.rest = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        let own = wgrad_models::xlnet::Config::read(&config).map_err(wrong)?;
        let (vocab_size, hidden_size) = (own.vocab_size, own.d_model);
        return Ok(Config { vocab_size, hidden_size, type_vocab_size: XLNET_SEGMENTS, ..config });
    }
    if !["bert", "electra"].contains(&config.model_type.as_str()) {
        return Err(wrong(format!("found model_type `{}`", config.model_type)));
    }
    inconsistency(&config).map_or(Ok(config), |reason| Err(wrong(reason)))
}

/// The `model_type` of XLNet.
const XLNET: &str = "xlnet";
/// Token types of an XLNet: two texts, `[CLS]` and padding. It has no table of them.
const XLNET_SEGMENTS: usize = 4;

/// How the parameters of an encoder begin; heads may be missing and are fresh then.
fn encoder_prefix(model_type: &str) -> &'static str {
    match model_type {
        XLNET => "transformer.",
        "electra" => "electra.",
        _ => "bert.",
    }
}

/// Says what no BERT can be built from, if anything.
fn inconsistency(config: &Config) -> Option<String> {
    let sizes = [
        ("vocab_size", config.vocab_size),
        ("hidden_size", config.hidden_size),
        ("num_hidden_layers", config.num_hidden_layers),
        ("num_attention_heads", config.num_attention_heads),
        ("intermediate_size", config.intermediate_size),
        ("embedding_size", config.embedding_size()),
        ("max_position_embeddings", config.max_position_embeddings),
        ("type_vocab_size", config.type_vocab_size),
    ];
    if let Some((key, _)) = sizes.iter().find(|(_, size)| *size == 0) {
        return Some(format!("{key} is 0"));
    }
    let (h, a) = (config.hidden_size, config.num_attention_heads);
    if !h.is_multiple_of(a) {
        return Some(format!("hidden_size {h} is no multiple of num_attention_heads {a}"));
    }
    let rates = [
        ("hidden_dropout_prob", config.hidden_dropout_prob),
        ("attention_probs_dropout_prob", config.attention_probs_dropout_prob),
    ];
    let outside = rates.iter().find(|(_, rate)| !(0.0..1.0).contains(rate));
    outside.map(|(key, rate)| format!("{key} is {rate}, expected a probability below 1"))
}

/// What a written directory is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// More pre-training: `BertForMaskedLM`, `ElectraForPreTraining` or `XLNetLMHeadModel`.
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
    /// One answer a text: `…ForSequenceClassification`.
    TextLabels,
    /// One answer a token: `…ForTokenClassification`.
    TokenLabels,
}

/// Writes a model into the directory `dir`, which exists. Parameters outside of Hugging Face's model go to
/// `head.safetensors`. The caller makes it atomic.
///
/// # Errors
/// What the operating system answers.
pub fn write(dir: &Path, config: &Config, weights: &Weights, purpose: Purpose) -> io::Result<()> {
    let retriever = matches!(purpose, Purpose::Retriever { .. });
    let mut config = config.clone();
    let is_xlnet = config.model_type == XLNET;
    let architecture = match (config.model_type.as_str(), purpose) {
        (XLNET, Purpose::Retriever { .. }) => "XLNetModel",
        (XLNET, Purpose::MaskedLm) => "XLNetLMHeadModel",
        (XLNET, Purpose::TextLabels) => "XLNetForSequenceClassification",
        (XLNET, Purpose::TokenLabels) => "XLNetForTokenClassification",
        ("electra", Purpose::Retriever { .. }) => "ElectraModel",
        ("electra", Purpose::MaskedLm) => "ElectraForPreTraining",
        ("electra", Purpose::TextLabels) => "ElectraForSequenceClassification",
        ("electra", Purpose::TokenLabels) => "ElectraForTokenClassification",
        (_, Purpose::Retriever { .. }) => "BertModel",
        (_, Purpose::MaskedLm) => "BertForMaskedLM",
        (_, Purpose::TextLabels) => "BertForSequenceClassification",
        (_, Purpose::TokenLabels) => "BertForTokenClassification",
    };
    config.rest.insert("architectures".into(), json!([architecture]));
    config.rest.entry("torch_dtype").or_insert(json!("float32"));
    let json = if is_xlnet { json!(config.rest) } else { serde_json::to_value(&config)? };
    write_json(&dir.join("config.json"), &json)?;

    let encoder = encoder_prefix(&config.model_type);
    let published = [encoder, "cls.", "discriminator_predictions.", "lm_loss."];
    let published = [&published[..], &wgrad_models::labels::PUBLISHED].concat();
    let is_head = |name: &str| !published.iter().any(|prefix| name.starts_with(prefix));
    let mut model = weights.to_host(|name| !is_head(name));
    if retriever {
        let bare = |name: String| name.trim_start_matches(encoder).to_string();
        model = model.into_iter().map(|(name, tensor)| (bare(name), tensor)).collect();
    }
    fs::write(dir.join("model.safetensors"), serialize(&model))?;
    let head = weights.to_host(is_head);
    if !head.is_empty() {
        fs::write(dir.join("head.safetensors"), serialize(&head))?;
    }
    if let Purpose::Retriever { pooling, similarity, max_length } = purpose {
        write_sentence_transformers(dir, config.hidden_size, pooling, similarity, max_length)?;
    }
    Ok(())
}

/// The layout that `SentenceTransformer(dir)` loads, in the form that all of its versions read.
fn write_sentence_transformers(
    dir: &Path,
    hidden: usize,
    pooling: Pooling,
    similarity: Similarity,
    max_length: usize,
) -> io::Result<()> {
    let module = |idx: usize, path: &str, class: &str| {
        let kind = format!("sentence_transformers.models.{class}");
        json!({"idx": idx, "name": idx.to_string(), "path": path, "type": kind})
    };
    let mut modules = vec![module(0, "", "Transformer"), module(1, "1_Pooling", "Pooling")];
    fs::create_dir_all(dir.join("1_Pooling"))?;
    if similarity == Similarity::Cosine {
        modules.push(module(2, "2_Normalize", "Normalize"));
        fs::create_dir_all(dir.join("2_Normalize"))?;
        // Directories without a file are lost by version control and by hubs.
        write_json(&dir.join("2_Normalize/config.json"), &json!({}))?;
    }
    write_json(&dir.join("modules.json"), &json!(modules))?;
    let pooling = json!({
        "word_embedding_dimension": hidden,
        "pooling_mode_cls_token": pooling == Pooling::Cls,
        "pooling_mode_mean_tokens": pooling == Pooling::Mean,
        "pooling_mode_max_tokens": false,
        "pooling_mode_mean_sqrt_len_tokens": false,
        "pooling_mode_weightedmean_tokens": false,
        "pooling_mode_lasttoken": pooling == Pooling::Last,
        "include_prompt": true,
    });
    write_json(&dir.join("1_Pooling/config.json"), &pooling)?;
    let bert = json!({"max_seq_length": max_length, "do_lower_case": false});
    write_json(&dir.join("sentence_bert_config.json"), &bert)?;
    let name = if similarity == Similarity::Cosine { "cosine" } else { "dot" };
    let st = json!({
        "__version__": {}, "prompts": {}, "default_prompt_name": null, "similarity_fn_name": name,
    });
    write_json(&dir.join("config_sentence_transformers.json"), &st)
}

fn write_json(path: &Path, value: &serde_json::Value) -> io::Result<()> {
    fs::write(path, serde_json::to_string_pretty(value)? + "\n")
}
