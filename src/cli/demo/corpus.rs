//! The demo's data: pairs of documentation and code, written as two BEIR folders.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::Args;
use crate::cli::{Failure, Global};
use crate::data::atomic;
use crate::data::rust_docs::{self, Item, default_cargo_home, locked_packages, packages_in};

/// Held-out items that are searched; more take longer and show nothing new.
const MOST_HELDOUT: usize = 5000;

/// What was found.
pub struct Counts {
    /// Crates with documented items.
    pub crates: usize,
    /// Items of training.
    pub train: usize,
    /// Items of crates that training never sees.
    pub heldout: usize,
}

/// Writes `data/train` and `data/heldout` below the demo's folder, unless they are there.
pub fn prepare(global: &Global, args: &Args, data: &Path) -> Result<Counts, Failure> {
    let counts = data.join("counts.json");
    if let Ok(text) = fs::read_to_string(&counts) {
        let value: serde_json::Value = serde_json::from_str(&text)?;
        let field = |name: &str| value[name].as_u64().unwrap_or(0) as usize;
        let (crates, train, heldout) = (field("crates"), field("train"), field("heldout"));
        return Ok(Counts { crates, train, heldout });
    }
    global.say("reading Rust sources");
    let packages = if args.source.is_empty() {
        let home = default_cargo_home()
            .ok_or("no home folder, so no cargo registry; give --source DIR")?;
        locked_packages(&lock_file(), &home)?
    } else {
        packages_in(&args.source)?
    };
    let corpus = rust_docs::corpus(&packages)?;
    if corpus.train.is_empty() || corpus.heldout.is_empty() {
        let n = corpus.packages;
        return Err(format!(
            "expected several crates, to train on some and test on others; found {n}"
        )
        .into());
    }
    let heldout = &corpus.heldout[..corpus.heldout.len().min(MOST_HELDOUT)];
    write_beir(&data.join("train"), "train", &corpus.train)?;
    write_beir(&data.join("heldout"), "test", heldout)?;
    let counted =
        Counts { crates: corpus.packages, train: corpus.train.len(), heldout: heldout.len() };
    let json =
        json!({"crates": counted.crates, "train": counted.train, "heldout": counted.heldout});
    atomic::write_file(&counts, json.to_string().as_bytes())?;
    Ok(counted)
}

/// The lock file of the project one stands in, or of wgrad itself.
fn lock_file() -> PathBuf {
    let here = PathBuf::from("Cargo.lock");
    if here.is_file() { here } else { Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.lock") }
}

/// One query and one passage an item, related to each other.
fn write_beir(dir: &Path, split: &str, items: &[Item]) -> Result<(), Failure> {
    fs::create_dir_all(dir.join("qrels"))?;
    let (mut corpus, mut queries) = (String::new(), String::new());
    let mut qrels = String::from("query-id\tcorpus-id\tscore\n");
    for (at, item) in items.iter().enumerate() {
        let place = format!("{}:{}", item.file.display(), item.line);
        let (title, text) = (split_identifiers(&item.path), split_identifiers(&item.passage));
        let passage = json!({
            "_id": format!("p{at}"), "title": title, "text": text,
            "metadata": {"path": item.path, "place": place, "crate": item.crate_name},
        });
        corpus += &format!("{passage}\n");
        let query = json!({"_id": format!("q{at}"), "text": split_identifiers(&item.query)});
        queries += &format!("{query}\n");
        qrels += &format!("q{at}\tp{at}\t1\n");
    }
    atomic::write_file(&dir.join("corpus.jsonl"), corpus.as_bytes())?;
    atomic::write_file(&dir.join("queries.jsonl"), queries.as_bytes())?;
    atomic::write_file(&dir.join(format!("qrels/{split}.tsv")), qrels.as_bytes())?;
    Ok(())
}

/// Puts a space between the words of `CamelCase` names, which the tokenizer's lower case would hide:
/// `HashMap` → `Hash Map`, `BTreeMap` → `BTree Map`. Names with underscores fall apart at them anyway.
pub fn split_identifiers(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let mut split = String::with_capacity(text.len() + text.len() / 8);
    for (at, &letter) in letters.iter().enumerate() {
        let before = at.checked_sub(1).map(|at| letters[at]);
        let after = letters.get(at + 1);
        let hump = letter.is_uppercase()
            && before.is_some_and(|before| {
                before.is_lowercase()
                    || before.is_uppercase()
                        && after.is_some_and(|after| after.is_lowercase())
                        && at > 1
                        && letters[at - 2].is_alphanumeric()
            });
        if hump {
            split.push(' ');
        }
        split.push(letter);
    }
    split
}

#[cfg(test)]
mod tests {
    use super::split_identifiers;

    #[test]
    fn humps_become_words() {
        for (text, expected) in [
            ("HashMap", "Hash Map"),
            ("a Vec<u8>", "a Vec<u8>"),
            ("toUtf8String", "to Utf8String"),
            ("parse_http_URLParser", "parse_http_URL Parser"),
            ("fn new() -> Self", "fn new() -> Self"),
        ] {
            assert_eq!(split_identifiers(text), expected);
        }
    }
}
