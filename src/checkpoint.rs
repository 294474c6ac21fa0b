//! Model directories as Hugging Face lays them out, read and written.
//!
//! Read: `config.json`, `model.safetensors` or `pytorch_model.bin` under any published form of its names, and
//! `head.safetensors` for what Hugging Face has no place for. Written: the same in safetensors, and for retrievers the
//! files of sentence-transformers.

mod generator;
mod hybrid_files;
mod late;
pub mod pytorch;
mod sentence_transformers;
mod stored;
mod written;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use wgrad_engine::file::{FileError, HostTensor};
use wgrad_engine::weights::Weights;
use wgrad_models::bert::Config;
use wgrad_models::layers::heads_that_do_not_fit;
use wgrad_models::published::canonical;
use wgrad_models::{Pooling, Similarity};

pub use late::{LateInteraction, punctuation, write_late};
use written::write_json;
pub use written::{Purpose, write};

/// What can be wrong with a model directory.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `config.json` is missing or not what it should be.
    #[error("{path}: expected the config.json of a BERT, ELECTRA, XLNet or GPT-2 model: {reason}")]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A file of tensors.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file of PyTorch.
    #[error("{path}: expected tensors as torch.save writes them: {reason}")]
    PyTorch {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// What names the files of a model in parts.
    #[error("{path}: expected a weight_map from tensors to files: {reason}")]
    Index {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
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
#[derive(Clone)]
pub struct ModelDirectory {
    /// Where it lies.
    pub path: PathBuf,
    /// Its hyper-parameters.
    pub config: Config,
    /// The file of the encoder's tensors, for messages.
    pub file: PathBuf,
    tensors: BTreeMap<String, (String, HostTensor)>,
}

impl ModelDirectory {
    /// Reads a directory.
    ///
    /// # Errors
    /// [`Error`], naming the file.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let mut config = read_config(&path.join("config.json"))?;
        let model = stored::model(path)?;
        let file = model.path.clone();
        let generator = generator::read(path, &mut config)?.unwrap_or_default();
        let heads = stored::heads(path)?.unwrap_or_default();
        let mut tensors = BTreeMap::new();
        let projection = late::projection(path)?.map(|file| file.tensors).unwrap_or_default();
        let files =
            [("", model.tensors), (generator::PREFIX, generator), ("", heads), ("", projection)];
        for (prefix, found) in files {
            for (published, tensor) in found {
                let Some(name) = canonical(&config.model_type, &published) else { continue };
                // An alias comes after the name it stands for.
                let entry = tensors.entry(format!("{prefix}{name}"));
                entry.or_insert((format!("{prefix}{published}"), tensor));
            }
        }
        Ok(Self { path: path.into(), config, file, tensors })
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
            return Err(Error::Missing { path: self.file.clone(), count, name });
        }
        Ok(weights.load(&self.file, |name| self.tensors.get(name).map(|(_, tensor)| tensor))?)
    }

    /// As [`Self::load_into`], of a model that must be there whole, head included.
    ///
    /// # Errors
    /// As there, and [`Error::Headless`] for a parameter of a head.
    pub fn load_whole(&self, weights: &mut Weights) -> Result<(), Error> {
        let fresh = self.load_into(weights)?;
        let Some(name) = fresh.first().cloned() else { return Ok(()) };
        Err(Error::Headless { path: self.path.clone(), count: fresh.len(), name })
    }

    /// How the directory's sentence-transformers files say that states become a vector, if it has them.
    ///
    /// # Errors
    /// [`Error::Pooling`] for a file that is no JSON, or that asks for another pooling than `[CLS]`, last token, mean or maximum.
    pub fn pooling(&self) -> Result<Option<(Pooling, Similarity)>, Error> {
        if !self.path.join("modules.json").exists() {
            return Ok(None);
        }
        let modules = self.read_json("modules.json", "a list of modules")?.to_string();
        const FILE: &str = "1_Pooling/config.json";
        const EXPECTED: &str =
            "pooling by the [CLS] token, by the last token, by the mean or the maximum of all";
        let json = self.read_json(FILE, EXPECTED)?;
        let asks = |key: &str, mode: &str| json[key] == true || json["pooling_mode"] == mode;
        let pooling = if asks("pooling_mode_mean_tokens", "mean") {
            Pooling::Mean
        } else if asks("pooling_mode_cls_token", "cls") {
            Pooling::Cls
        } else if asks("pooling_mode_max_tokens", "max") {
            Pooling::Max
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
    let json: serde_json::Map<_, _> =
        serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    if json.get("model_type").is_some_and(|kind| kind == GPT2) {
        // Its keys are its own, and so are their defaults; all of them are kept as they stand.
        let config = Config { model_type: GPT2.into(), rest: json, ..Config::default() };
        return Ok(wgrad_models::gpt2::Config::read(&config).map_err(wrong)?.published);
    }
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
/// The `model_type` of GPT-2.
const GPT2: &str = "gpt2";
/// Token types of an XLNet: two texts, `[CLS]` and padding. It has no table of them.
const XLNET_SEGMENTS: usize = 4;

/// How the parameters of an encoder begin; heads may be missing and are fresh then.
fn encoder_prefix(model_type: &str) -> &'static str {
    match model_type {
        XLNET | GPT2 => "transformer.",
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
    let keys = ["hidden_size", "num_attention_heads"];
    let misfit = heads_that_do_not_fit(config.hidden_size, config.num_attention_heads, keys);
    if misfit.is_some() {
        return misfit;
    }
    let rates = [
        ("hidden_dropout_prob", config.hidden_dropout_prob),
        ("attention_probs_dropout_prob", config.attention_probs_dropout_prob),
    ];
    let outside = rates.iter().find(|(_, rate)| !(0.0..1.0).contains(rate));
    outside.map(|(key, rate)| format!("{key} is {rate}, expected a probability below 1"))
}
