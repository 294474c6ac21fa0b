//! Tests of `wgrad::data`.

mod atomic;
mod causal;
mod colbert;
mod files;
mod labelled;
mod loader;
mod masking;
mod pairs;
mod shards;
mod tokenizer;
mod xlnet;
mod xlnet_stream;

use std::path::{Path, PathBuf};

use wgrad::data::text::Document;
use wgrad::data::{TokenBlocks, Tokenizer};

/// Real data that lies beside the repository on machines that have it; a test that does without says so.
fn shared(path: &str) -> Option<PathBuf> {
    let root = std::env::var_os("WGRAD_SHARED")
        .map_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/../shared").into(), PathBuf::from);
    let found = root.join("data").join(path);
    if !found.exists() {
        println!("skipped: {} is not here (set WGRAD_SHARED)", found.display());
        return None;
    }
    Some(found)
}

/// A small vocabulary: words and their pieces.
fn small_tokenizer() -> Tokenizer {
    let words = "[PAD] [UNK] [CLS] [SEP] [MASK] the cat dog sat on mat un ##want ##ed ##ly run ##ning a b c d e f";
    let tokens: Vec<String> = words.split(' ').map(str::to_owned).collect();
    Tokenizer::uncased(&tokens, Path::new("small")).expect("it has the special tokens")
}

fn document(text: &str) -> wgrad::data::Result<Document> {
    Ok(Document { id: None, title: String::new(), text: text.into() })
}

fn blocks(texts: &[&str], max_length: usize) -> TokenBlocks {
    let documents = texts.iter().map(|text| document(text));
    TokenBlocks::from_documents(documents, &small_tokenizer(), max_length, |_| ())
        .expect("texts in memory have no errors")
}

/// Wikipedia text as blocks of `max_length − 2` tokens, `lines` lines of it, joined into long documents.
fn wikipedia(lines: usize, max_length: usize) -> Option<(Tokenizer, TokenBlocks)> {
    let text = std::fs::read_to_string(shared("pretrain/wiki-en-2014.heldout.txt")?).unwrap();
    let tokenizer = Tokenizer::load(&shared("tokenizers/bert-base-uncased")?).unwrap();
    let lines: Vec<&str> = text.lines().take(lines).collect();
    let documents = lines.chunks(100).map(|chunk| document(&chunk.join("\n")));
    let blocks = TokenBlocks::from_documents(documents, &tokenizer, max_length, |_| ()).unwrap();
    Some((tokenizer, blocks))
}
