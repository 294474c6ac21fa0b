//! Streams documents out of text files: plain text, JSON lines, BEIR folders, tab-separated values.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};

use super::error::{Error, Result, excerpt};
use super::files::Lines;

/// One document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// `_id` or `id` of JSON lines, the first column of TSV.
    pub id: Option<String>,
    /// Title, empty if there is none.
    pub title: String,
    /// Body.
    pub text: String,
}

impl Document {
    /// Gives what a model reads: title, space, text.
    pub fn full_text(self) -> String {
        match (self.title.is_empty(), self.text.is_empty()) {
            (true, _) => self.text,
            (_, true) => self.title,
            _ => format!("{} {}", self.title, self.text),
        }
    }
}

/// Where a document ends in a `.txt` file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TextLayout {
    /// Each line is a document; blank lines are skipped.
    #[default]
    DocumentPerLine,
    /// A document runs to the next blank line.
    BlankLineBetween,
}

/// Streams the documents of `inputs` in order; a directory stands for its `corpus.jsonl` if it has one (a BEIR
/// folder), else for its `.txt`, `.jsonl` and `.tsv` files, sorted by name.
///
/// - `.jsonl`: an object a line with `text`, optionally `title` and `_id` or `id`.
/// - `.tsv`: `id ⇥ text` or `id ⇥ title ⇥ text`.
/// - anything else: plain text in `layout`.
///
/// Documents without any text are skipped.
///
/// # Errors
/// [`Error::Missing`] or [`Error::Empty`] at once; the iterator gives [`Error::Malformed`] with path and line.
pub fn documents<P: AsRef<Path>>(inputs: &[P], layout: TextLayout) -> Result<Documents> {
    let mut files = VecDeque::new();
    for input in inputs {
        files.extend(files_of(input.as_ref())?);
    }
    Ok(Documents { files, layout, lines: None, failed: false })
}

/// Iterator of [`documents`]; it ends after the first error.
#[derive(Debug)]
pub struct Documents {
    files: VecDeque<PathBuf>,
    layout: TextLayout,
    lines: Option<Lines>,
    failed: bool,
}

impl Iterator for Documents {
    type Item = Result<Document>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let next = self.read();
        self.failed = next.is_err();
        next.transpose()
    }
}

impl Documents {
    fn read(&mut self) -> Result<Option<Document>> {
        loop {
            let Some(lines) = &mut self.lines else {
                match self.files.pop_front() {
                    Some(file) => self.lines = Some(Lines::open(&file)?),
                    None => return Ok(None),
                }
                continue;
            };
            match next_document(lines, self.layout)? {
                Some(document) => return Ok(Some(document)),
                None => self.lines = None,
            }
        }
    }
}

/// Gives the next document that has text, or `None` at the end of the file.
fn next_document(lines: &mut Lines, layout: TextLayout) -> Result<Option<Document>> {
    let path = lines.path().to_owned();
    let format = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let mut paragraphs = String::new();
    for line in lines {
        let (number, line) = line?;
        let document = match format {
            _ if line.trim().is_empty() && paragraphs.is_empty() => continue,
            "jsonl" => from_json(&path, number, &line)?,
            "tsv" => from_tsv(&path, number, &line)?,
            _ if layout == TextLayout::DocumentPerLine => plain(line),
            _ if line.trim().is_empty() => return Ok(Some(plain(paragraphs))),
            _ => {
                if !paragraphs.is_empty() {
                    paragraphs.push('\n');
                }
                paragraphs.push_str(&line);
                continue;
            }
        };
        if !document.title.trim().is_empty() || !document.text.trim().is_empty() {
            return Ok(Some(document));
        }
    }
    Ok((!paragraphs.is_empty()).then(|| plain(paragraphs)))
}

fn plain(text: String) -> Document {
    Document { id: None, title: String::new(), text }
}

#[derive(serde::Deserialize)]
struct JsonDocument {
    #[serde(rename = "_id")]
    beir_id: Option<serde_json::Value>,
    id: Option<serde_json::Value>,
    title: Option<String>,
    text: Option<String>,
}

/// Reads one line of `.jsonl`.
pub(crate) fn from_json(path: &Path, number: u64, line: &str) -> Result<Document> {
    const EXPECTED: &str = "a JSON object with `text`";
    let read: JsonDocument = serde_json::from_str(line).map_err(|e| {
        Error::malformed(path, number, EXPECTED, format!("{} ({e})", excerpt(line)))
    })?;
    let text = read.text.ok_or_else(|| {
        Error::malformed(path, number, EXPECTED, format!("{} without it", excerpt(line)))
    })?;
    let id = read.beir_id.or(read.id).map(|id| match id {
        serde_json::Value::String(id) => id,
        other => other.to_string(),
    });
    Ok(Document { id, title: read.title.unwrap_or_default(), text })
}

fn from_tsv(path: &Path, number: u64, line: &str) -> Result<Document> {
    let columns: Vec<&str> = line.split('\t').collect();
    let (id, title, text) = match columns[..] {
        [id, text] => (id, "", text),
        [id, title, text] => (id, title, text),
        _ => {
            let found = format!("{} columns: {}", columns.len(), excerpt(line));
            let expected = "`id ⇥ text` or `id ⇥ title ⇥ text`";
            return Err(Error::malformed(path, number, expected, found));
        }
    };
    Ok(Document { id: Some(id.into()), title: title.into(), text: text.into() })
}

fn files_of(input: &Path) -> Result<Vec<PathBuf>> {
    const EXPECTED: &str =
        "text: a .txt, .jsonl or .tsv file, a BEIR folder, or a directory of such files";
    let about = fs::metadata(input)
        .map_err(|_| Error::Missing { path: input.into(), expected: EXPECTED.into() })?;
    let empty = || Error::Empty { path: input.into(), expected: EXPECTED.into() };
    if !about.is_dir() {
        return if about.is_file() && about.len() == 0 {
            Err(empty())
        } else {
            Ok(vec![input.into()])
        };
    }
    let corpus = input.join("corpus.jsonl");
    if corpus.is_file() {
        return Ok(vec![corpus]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(input).map_err(|e| Error::io(input, "list", e))? {
        let path = entry.map_err(|e| Error::io(input, "list", e))?.path();
        let known = path.extension().is_some_and(|e| e == "txt" || e == "jsonl" || e == "tsv");
        if known && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    if files.is_empty() { Err(empty()) } else { Ok(files) }
}
