//! Model directories of late interaction: ColBERT's own, those of PyLate and sentence-transformers, and ours, which is
//! both at once.

use std::fs;
use std::io;
use std::path::Path;

use serde_json::{Value, json};
use wgrad_engine::file::{HostTensor, TensorFile, Values, serialize};
use wgrad_engine::random::{key_of, normal};
use wgrad_engine::weights::Weights;
use wgrad_models::bert::Config;

use super::{Error, ModelDirectory, XLNET, encoder_prefix, write_json};

/// The name of the projection wherever it lies.
const LINEAR: &str = "linear.weight";
/// Where PyLate keeps it.
pub(super) const DENSE: &str = "1_Dense/model.safetensors";
/// What the authors' code keeps beside a model.
const METADATA: &str = "artifact.metadata";
/// What PyLate keeps beside one.
const SENTENCE_TRANSFORMERS: &str = "config_sentence_transformers.json";

/// What a directory says about late interaction besides its weights.
#[derive(Clone, Debug, PartialEq)]
pub struct LateInteraction {
    /// D: numbers of a token's vector.
    pub width: usize,
    /// The tokens that mark queries and documents.
    pub markers: [String; 2],
    /// Tokens of every query, and of the longest document.
    pub lengths: [usize; 2],
    /// Whether tokens of a query attend to the `[MASK]`s that fill it up.
    pub attends: bool,
    /// Words that do not count in documents.
    pub skipped: Vec<String>,
}

impl LateInteraction {
    /// The authors' defaults.
    pub fn new(width: usize) -> Self {
        Self {
            width,
            markers: ["[unused0]", "[unused1]"].map(str::to_string),
            lengths: [32, 220],
            attends: false,
            skipped: punctuation(),
        }
    }
}

/// The 32 signs of Python's `string.punctuation`, which the authors' code skips.
pub fn punctuation() -> Vec<String> {
    (b'!'..=b'~').map(char::from).filter(char::is_ascii_punctuation).map(String::from).collect()
}

impl ModelDirectory {
    /// What the directory says about late interaction; `None` if it has no projection.
    ///
    /// # Errors
    /// [`Error::Pooling`] for a file of settings that is no JSON, [`Error::Io`] for one that cannot be read.
    pub fn late_interaction(&self) -> Result<Option<LateInteraction>, Error> {
        let Some((_, linear)) = self.tensors.get(LINEAR) else { return Ok(None) };
        let mut late = LateInteraction::new(linear.shape[0]);
        let text = |json: &Value, key: &str, into: &mut String| {
            if let Some(text) = json[key].as_str() {
                *into = text.to_string();
            }
        };
        let number = |json: &Value, key: &str, into: &mut usize| {
            if let Some(number) = json[key].as_u64().filter(|&number| number > 3) {
                *into = number as usize;
            }
        };
        if self.path.join(SENTENCE_TRANSFORMERS).exists() {
            let json = self.read_json(SENTENCE_TRANSFORMERS, "an object with query_length")?;
            for (at, side) in ["query", "document"].into_iter().enumerate() {
                text(&json, &format!("{side}_prefix"), &mut late.markers[at]);
                number(&json, &format!("{side}_length"), &mut late.lengths[at]);
            }
            late.attends = json["attend_to_expansion_tokens"] == true;
            if let Some(words) = json["skiplist_words"].as_array() {
                let words = words.iter().filter_map(Value::as_str);
                late.skipped = words.map(str::to_string).collect();
            }
        }
        if self.path.join(METADATA).exists() {
            let json = self.read_json(METADATA, "an object with query_maxlen")?;
            for (at, side) in ["query", "doc"].into_iter().enumerate() {
                text(&json, &format!("{side}_token_id"), &mut late.markers[at]);
                number(&json, &format!("{side}_maxlen"), &mut late.lengths[at]);
            }
            late.attends = json["attend_to_mask_tokens"] == true;
            if json["mask_punctuation"] == false {
                late.skipped.clear();
            }
        }
        Ok(Some(late))
    }

    /// The same with a word table of `words` rows, `None` if it has as many; what is added is drawn, always the same.
    pub fn with_words(&self, words: usize) -> Option<Self> {
        let Config { vocab_size, hidden_size, initializer_range, .. } = self.config;
        if words <= vocab_size {
            return None;
        }
        let mut more = self.clone();
        let (name, width) = match self.config.model_type.as_str() {
            XLNET => ("transformer.word_embedding.weight".to_string(), hidden_size),
            of_bert => {
                let name = format!("{of_bert}.embeddings.word_embeddings.weight");
                (name, self.config.embedding_size())
            }
        };
        if let Some((_, HostTensor { shape, values: Values::F32(values) })) =
            more.tensors.get_mut(&name)
        {
            let drawn = normal((words - vocab_size) * width, key_of(0, &name));
            values.extend(drawn.into_iter().map(|draw| initializer_range * draw));
            shape[0] += words - vocab_size;
        }
        more.config.vocab_size = words;
        if more.config.rest.contains_key("vocab_size") {
            more.config.rest.insert("vocab_size".into(), json!(words));
        }
        Some(more)
    }
}

/// The projection of a directory as PyLate lays it out, where no file at its root has one.
pub(super) fn projection(dir: &Path) -> Result<Option<TensorFile>, Error> {
    let path = dir.join(DENSE);
    if !path.exists() {
        return Ok(None);
    }
    let mut file = TensorFile::open(&path)?;
    file.tensors.retain(|name, _| name == LINEAR);
    Ok(Some(file))
}

/// Writes a model of late interaction into `dir`, which exists, so that all of these load it: the authors' `HF_ColBERT`
/// (one file, `artifact.metadata`), PyLate and sentence-transformers' `MultiVectorEncoder` (`1_Dense`), and
/// transformers' own class. The caller makes it atomic.
///
/// # Errors
/// What the operating system answers.
pub fn write_late(
    dir: &Path,
    config: &Config,
    weights: &Weights,
    late: &LateInteraction,
) -> io::Result<()> {
    let mut config = config.clone();
    let architecture = match config.model_type.as_str() {
        XLNET => "XLNetModel",
        "electra" => "ElectraModel",
        _ => "BertModel",
    };
    config.rest.insert("architectures".into(), json!([architecture]));
    config.rest.entry("torch_dtype").or_insert(json!("float32"));
    let is_xlnet = config.model_type == XLNET;
    let json = if is_xlnet { json!(config.rest) } else { serde_json::to_value(&config)? };
    write_json(&dir.join("config.json"), &json)?;

    let encoder = encoder_prefix(&config.model_type);
    let model = weights.to_host(|name| name.starts_with(encoder) || name == LINEAR);
    let linear = weights.to_host(|name| name == LINEAR);
    fs::create_dir_all(dir.join("1_Dense"))?;
    fs::write(dir.join("model.safetensors"), serialize(&model))?;
    fs::write(dir.join("head.safetensors"), serialize(&linear))?;
    fs::write(dir.join(DENSE), serialize(&linear))?;

    let LateInteraction { width, markers, lengths, attends, skipped } = late;
    let dense = json!({
        "in_features": config.hidden_size, "out_features": width, "bias": false,
        "activation_function": "torch.nn.modules.linear.Identity",
    });
    write_json(&dir.join("1_Dense/config.json"), &dense)?;
    let module = |idx: usize, path: &str, class: &str| json!({"idx": idx, "name": idx.to_string(), "path": path, "type": class});
    let modules = [
        module(0, "", "sentence_transformers.models.Transformer"),
        module(1, "1_Dense", "pylate.models.Dense.Dense"),
    ];
    write_json(&dir.join("modules.json"), &json!(modules))?;
    let transformer = json!({"max_seq_length": lengths[1], "do_lower_case": false});
    write_json(&dir.join("sentence_bert_config.json"), &transformer)?;
    let settings = json!({
        "model_type": "ColBERT", "__version__": {}, "prompts": {}, "default_prompt_name": null,
        "similarity_fn_name": "MaxSim", "query_prefix": markers[0], "document_prefix": markers[1],
        "query_length": lengths[0], "document_length": lengths[1], "do_query_expansion": true,
        "attend_to_expansion_tokens": attends, "skiplist_words": skipped,
    });
    write_json(&dir.join(SENTENCE_TRANSFORMERS), &settings)?;
    let metadata = json!({
        "query_token_id": markers[0], "doc_token_id": markers[1], "query_token": "[Q]",
        "doc_token": "[D]", "query_maxlen": lengths[0], "doc_maxlen": lengths[1], "dim": width,
        "similarity": "cosine", "attend_to_mask_tokens": attends, "mask_punctuation": !skipped.is_empty(),
    });
    write_json(&dir.join(METADATA), &metadata)
}
