//! GPT-2's byte-level BPE from the two files it is published as.

use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::error::{Error, Result};
use super::files::Lines;

/// The one special token of GPT-2: it stands between texts, and here wherever BERT has one of its five.
pub const END_OF_TEXT: &str = "<|endoftext|>";

/// Joins `vocab.json` and `merges.txt` to a `tokenizer.json`.
///
/// # Errors
/// [`Error::Malformed`] with the line that is no JSON or no merge.
///
/// # Source
/// Radford et al. 2019, §2.2; the pipeline of transformers' `GPT2TokenizerFast`.
pub fn tokenizer_json(vocab: &Path, merges: &Path) -> Result<Value> {
    let bytes = fs::read(vocab).map_err(|error| Error::io(vocab, "read", error))?;
    let ids: Map<String, Value> = serde_json::from_slice(&bytes).map_err(|error| {
        let expected = "token ids by token, as JSON";
        Error::malformed(vocab, error.line() as u64, expected, error.to_string())
    })?;
    let Some(end) = ids.get(END_OF_TEXT) else {
        return Err(Error::WrongFormat {
            path: vocab.into(),
            expected: format!("a vocabulary with {END_OF_TEXT}"),
            found: "none".into(),
        });
    };
    let added = json!([{
        "id": end, "content": END_OF_TEXT, "special": true, "single_word": false, "lstrip": false,
        "rstrip": false, "normalized": false,
    }]);
    let mut pairs = Vec::new();
    for line in Lines::open(merges)? {
        let (number, line) = line?;
        if line.is_empty() || line.starts_with("#version") {
            continue;
        }
        let Some((left, right)) = line.split_once(' ') else {
            return Err(Error::malformed(merges, number, "two tokens that are merged", line));
        };
        pairs.push(json!([left, right]));
    }
    let bytes = json!({
        "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true,
    });
    Ok(json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added,
        "normalizer": null, "pre_tokenizer": bytes, "post_processor": bytes, "decoder": bytes,
        "model": {
            "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": "",
            "end_of_word_suffix": "", "fuse_unk": false, "byte_fallback": false,
            "ignore_merges": false, "vocab": ids, "merges": pairs,
        },
    }))
}
