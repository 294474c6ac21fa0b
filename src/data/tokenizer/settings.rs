//! `tokenizer_config.json`: what stands beside a vocabulary.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::data::delimiters::Delimiters;
use crate::data::error::{Error, Result};

/// The file's name.
pub const FILE: &str = "tokenizer_config.json";
/// The key that names first and last token of a query.
const QUERY: &str = "query_delimiters";
/// The same of a passage.
const PASSAGE: &str = "passage_delimiters";

/// Keys that shape BERT's normalizer; defaults are those of `BertTokenizer`.
#[derive(serde::Deserialize)]
#[serde(default)]
pub struct Casing {
    pub do_lower_case: bool,
    pub strip_accents: Option<bool>,
    pub tokenize_chinese_chars: bool,
}

impl Default for Casing {
    fn default() -> Self {
        Self { do_lower_case: true, strip_accents: None, tokenize_chinese_chars: true }
    }
}

/// Reads the file of a directory; `None` if there is none.
pub fn read<T: serde::de::DeserializeOwned>(dir: &Path) -> Result<Option<T>> {
    let path = dir.join(FILE);
    if !path.is_file() {
        return Ok(None);
    }
    let bytes = fs::read(&path).map_err(|e| Error::io(&path, "read", e))?;
    serde_json::from_slice(&bytes).map(Some).map_err(|e| {
        Error::malformed(&path, e.line() as u64, "tokenizer settings as JSON", e.to_string())
    })
}

/// The delimiters that the file names, and `usual` where it names none.
pub fn delimiters(
    dir: &Path,
    usual: Delimiters,
    id: impl Fn(&str) -> Option<u32>,
) -> Result<Delimiters> {
    let config: Value = read(dir)?.unwrap_or_default();
    let pair = |key: &str, usual: [u32; 2]| {
        let Some(names) = config[key].as_array() else { return Ok(usual) };
        let ids: Option<Vec<u32>> = names.iter().map(|name| id(name.as_str()?)).collect();
        ids.and_then(|ids| ids.try_into().ok()).ok_or_else(|| Error::WrongFormat {
            path: dir.join(FILE),
            expected: format!("two tokens of the vocabulary as {key}"),
            found: config[key].to_string(),
        })
    };
    Ok(Delimiters { query: pair(QUERY, usual.query)?, passage: pair(PASSAGE, usual.passage)? })
}

/// Writes down what stands around texts, and that the tokenizer is as `tokenizer.json` says: the classes of models would build
/// a post-processor of their own.
pub fn tell_delimiters<'a>(
    config: &mut Value,
    delimiters: Delimiters,
    token: impl Fn(u32) -> &'a str,
) {
    config["tokenizer_class"] = json!("PreTrainedTokenizerFast");
    config[QUERY] = json!(delimiters.query.map(&token));
    config[PASSAGE] = json!(delimiters.passage.map(&token));
}

/// The file of a BERT, by its special tokens: padding, unknown, first, last and mask.
pub fn of_bert(
    [pad, unk, cls, sep, mask]: [&str; 5],
    lower_case: bool,
    max_length: usize,
) -> Value {
    json!({
        "tokenizer_class": "BertTokenizer",
        "do_lower_case": lower_case,
        "model_max_length": max_length,
        "cls_token": cls, "sep_token": sep, "pad_token": pad, "mask_token": mask, "unk_token": unk,
    })
}

/// The file of a GPT-2, by its one special token.
pub fn of_gpt2(end: &str, max_length: usize) -> Value {
    json!({
        "model_max_length": max_length, "padding_side": "right",
        "bos_token": end, "eos_token": end, "pad_token": end, "unk_token": end,
    })
}
