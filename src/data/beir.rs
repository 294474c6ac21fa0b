//! Reads a BEIR folder: `corpus.jsonl`, `queries.jsonl`, `qrels/<split>.tsv`.

use std::collections::HashSet;
use std::path::Path;

use super::error::{Error, Result, excerpt};
use super::files::Lines;
use super::text;

/// One passage or one query, by its identifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// `_id`.
    pub id: String,
    /// What a model reads: for a passage, title, space, text.
    pub text: String,
    /// Line of the file, from 1.
    pub line: u64,
}

/// How relevant a passage is to a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgment {
    /// `_id` of the query.
    pub query_id: String,
    /// `_id` of the passage.
    pub passage_id: String,
    /// Grade; 0 or less means judged and not relevant.
    pub score: i32,
    /// Line of the qrels file, from 1.
    pub line: u64,
}

/// Reads `corpus.jsonl`. A passage may be empty (collections have such), its identifier may not.
///
/// # Errors
/// [`Error::Missing`], [`Error::Empty`], or [`Error::Malformed`] for a line without `_id` or `text`, or with an
/// identifier seen before.
pub fn corpus(dir: &Path) -> Result<Vec<Entry>> {
    entries(&dir.join("corpus.jsonl"), "passage")
}

/// Reads `queries.jsonl`.
///
/// # Errors
/// As [`corpus`], and [`Error::Malformed`] for a query whose text is blank.
pub fn queries(dir: &Path) -> Result<Vec<Entry>> {
    let path = dir.join("queries.jsonl");
    let queries = entries(&path, "query")?;
    match queries.iter().find(|query| query.text.trim().is_empty()) {
        Some(blank) => {
            let found = format!("query `{}` without text", blank.id);
            Err(Error::malformed(&path, blank.line, "a query with text", found))
        }
        None => Ok(queries),
    }
}

/// Reads `qrels/<split>.tsv`: a header, then `query-id ⇥ corpus-id ⇥ score` a line.
///
/// # Errors
/// [`Error::Missing`], [`Error::Empty`], or [`Error::Malformed`] for the line that is not so.
pub fn qrels(dir: &Path, split: &str) -> Result<Vec<Judgment>> {
    let path = dir.join("qrels").join(format!("{split}.tsv"));
    let mut judgments = Vec::new();
    for line in Lines::open(&path)? {
        let (number, line) = line?;
        if line.trim().is_empty() {
            continue;
        }
        let wrong = |expected: &str| Error::malformed(&path, number, expected, excerpt(&line));
        let columns: Vec<&str> = line.split('\t').collect();
        if number == 1 {
            if columns != ["query-id", "corpus-id", "score"] {
                return Err(wrong("the header `query-id ⇥ corpus-id ⇥ score`"));
            }
            continue;
        }
        let &[query_id, passage_id, score] = &columns[..] else {
            return Err(wrong("`query-id ⇥ corpus-id ⇥ score`"));
        };
        let score = score.trim().parse().map_err(|_| wrong("a whole number in column 3"))?;
        let (query_id, passage_id) = (query_id.into(), passage_id.into());
        judgments.push(Judgment { query_id, passage_id, score, line: number });
    }
    if judgments.is_empty() {
        return Err(Error::Empty { path, expected: "a judgment a line, after the header".into() });
    }
    Ok(judgments)
}

fn entries(path: &Path, kind: &str) -> Result<Vec<Entry>> {
    let mut seen = HashSet::new();
    let mut entries = Vec::new();
    for line in Lines::open(path)? {
        let (number, line) = line?;
        if line.trim().is_empty() {
            continue;
        }
        let mut document = text::from_json(path, number, &line)?;
        let Some(id) = document.id.take() else {
            let expected = format!("a {kind} with `_id`");
            return Err(Error::malformed(path, number, expected, excerpt(&line)));
        };
        if !seen.insert(id.clone()) {
            let expected = format!("each {kind} once");
            return Err(Error::malformed(path, number, expected, format!("`{id}` again")));
        }
        entries.push(Entry { id, text: document.full_text(), line: number });
    }
    if entries.is_empty() {
        return Err(Error::Empty { path: path.into(), expected: format!("a {kind} a line") });
    }
    Ok(entries)
}
