//! The files that make a directory one of sentence-transformers.

use std::fs;
use std::io;
use std::path::Path;

use serde_json::json;
use wgrad_models::{Pooling, Similarity};

use super::write_json;

/// The layout that `SentenceTransformer(dir)` loads, in the form that all of its versions read.
pub fn write(
    dir: &Path,
    hidden: usize,
    pooling: Pooling,
    similarity: Similarity,
    max_length: usize,
) -> io::Result<()> {
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
        "pooling_mode_max_tokens": pooling == Pooling::Max,
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

/// An entry of `modules.json`.
pub fn module(idx: usize, path: &str, class: &str) -> serde_json::Value {
    let kind = format!("sentence_transformers.models.{class}");
    json!({"idx": idx, "name": idx.to_string(), "path": path, "type": kind})
}
