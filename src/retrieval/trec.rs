//! Rankings and judgments in the files every retrieval tool reads: TREC, MS MARCO and BEIR.
//!
//! | file | a line | told by |
//! |---|---|---|
//! | TREC run | `qid Q0 docid rank score tag` | 6 fields; the rank column is ignored |
//! | MS MARCO run | `qid⇥docid⇥rank` | 3 fields; rank r is read as the score −r |
//! | TREC and MS MARCO judgments | `qid iter docid judgment` | 4 fields |
//! | BEIR judgments | `query-id⇥corpus-id⇥score` | that header |

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use crate::data::atomic;

/// One retrieved document and its score; higher is better.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// The document's id.
    pub docid: String,
    /// Single precision, the precision in which trec_eval 9.0.8 sorts.
    pub score: f32,
}

/// The retrieved documents of each query, by query id. Only the scores give the order (see
/// [`rank`]).
pub type Run = BTreeMap<String, Vec<Hit>>;

/// The judged documents of each query: query id → document id → graded judgment, relevant from 1.
pub type Qrels = BTreeMap<String, HashMap<String, i32>>;

/// Orders the documents of one query as trec_eval does: by score, highest first; ties by id,
/// *descending*, as bytes.
///
/// # Panics
/// If a score is NaN.
///
/// # Source
/// trec_eval 9.0.8, `form_res_rels.c`: scores are single-precision and the rank column is ignored.
#[track_caller]
pub fn rank(hits: &[Hit]) -> Vec<&Hit> {
    let mut ranking: Vec<&Hit> = hits.iter().collect();
    ranking.sort_unstable_by(|a, b| {
        let by_score = b.score.partial_cmp(&a.score).expect("rank: a score is NaN");
        by_score.then_with(|| b.docid.as_bytes().cmp(a.docid.as_bytes()))
    });
    ranking
}

/// What can be wrong with a run or a file of judgments.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file could not be opened or read.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file could not be written; the reason names it.
    #[error("cannot write {0}")]
    Write(#[from] io::Error),
    /// The file holds no line.
    #[error("{path}: expected {expected}, found an empty file")]
    Empty {
        /// The file.
        path: PathBuf,
        /// What its lines should have been.
        expected: &'static str,
    },
    /// A line is not what the format asks for.
    #[error("{path}:{line}: expected {expected}, found {found}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What should have stood there.
        expected: &'static str,
        /// What stands there.
        found: String,
    },
    /// An id that no reader of the format could split off again.
    #[error("{path}: expected ids without white space, found {id:?}; rename it in the collection")]
    Id {
        /// The file that was to be written.
        path: PathBuf,
        /// The id.
        id: String,
    },
}

const RUN: &str = "`qid Q0 docid rank score tag` (TREC) or `qid docid rank` (MS MARCO)";
const QRELS: &str =
    "`qid iter docid judgment` (TREC, MS MARCO) or the header `query-id corpus-id score` (BEIR)";
const BEIR_HEADER: [&str; 3] = ["query-id", "corpus-id", "score"];

/// Reads a run in TREC or MS MARCO form; the first line says which.
///
/// # Errors
/// [`Error::Malformed`] with the line for a wrong number of fields, a score that is no finite
/// number, a rank that is none, or a document listed twice for a query (trec_eval refuses those
/// too); [`Error::Empty`], [`Error::Io`].
pub fn read_run(path: &Path) -> Result<Run, Error> {
    let mut run = Run::new();
    let mut seen: HashMap<String, HashSet<String>> = HashMap::new();
    let mut n_fields = None;
    for_each_line(path, RUN, |line| {
        let fields: Vec<&str> = line.text.split_ascii_whitespace().collect();
        if *n_fields.get_or_insert(fields.len()) != fields.len() {
            return Err(line.malformed("as many fields as in the first line", line.text));
        }
        let (qid, docid, score) = match fields[..] {
            [qid, _, docid, _, score, _] => (qid, docid, line.finite(score)?),
            [qid, docid, rank] => (qid, docid, -(line.rank(rank)? as f32)),
            _ => return Err(line.malformed(RUN, line.text)),
        };
        if !seen.entry(qid.to_owned()).or_default().insert(docid.to_owned()) {
            return Err(line.malformed("each document once a query", docid));
        }
        run.entry(qid.to_owned()).or_default().push(Hit { docid: docid.to_owned(), score });
        Ok(())
    })?;
    Ok(run)
}

/// Reads judgments in TREC, MS MARCO or BEIR form; the first line says which.
///
/// # Errors
/// [`Error::Malformed`] with the line for a wrong number of fields, a judgment that is no integer,
/// or a document judged twice with different values; [`Error::Empty`], [`Error::Io`].
pub fn read_qrels(path: &Path) -> Result<Qrels, Error> {
    let mut qrels = Qrels::new();
    let mut beir = None;
    for_each_line(path, QRELS, |line| {
        if beir.is_none() {
            beir = Some(line.text.split_ascii_whitespace().eq(BEIR_HEADER));
            if beir == Some(true) {
                return Ok(());
            }
        }
        let (qid, docid, judgment) = if beir == Some(true) {
            match line.text.split('\t').collect::<Vec<_>>()[..] {
                [qid, docid, judgment] => (qid, docid, judgment),
                _ => return Err(line.malformed("`query-id⇥corpus-id⇥score`", line.text)),
            }
        } else {
            match line.text.split_ascii_whitespace().collect::<Vec<_>>()[..] {
                [qid, _, docid, judgment] => (qid, docid, judgment),
                _ => return Err(line.malformed(QRELS, line.text)),
            }
        };
        let judgment = line.parse::<i32>(judgment, "an integer judgment")?;
        match qrels.entry(qid.to_owned()).or_default().entry(docid.to_owned()) {
            Entry::Occupied(known) if *known.get() != judgment => {
                Err(line.malformed("one judgment a document", line.text))
            }
            Entry::Occupied(_) => Ok(()),
            Entry::Vacant(free) => {
                free.insert(judgment);
                Ok(())
            }
        }
    })?;
    Ok(qrels)
}

/// Writes `run` in TREC form, best document first, so that every reader finds the same order.
///
/// Scores are written with as many digits as single precision needs. Those that tie are written one
/// step of f32 apart, in trec_eval's order: tools differ in how they break ties (trec_eval by
/// descending id, Pyserini by ascending id, others keep the file's order), so the file has none.
///
/// # Errors
/// [`Error::Id`] if an id is empty or holds white space, [`Error::Write`]. `path` is then as it was
/// before.
pub fn write_run(path: &Path, run: &Run, tag: &str) -> Result<(), Error> {
    check_ids(path, run.keys().map(String::as_str).chain([tag]))?;
    check_ids(path, run.values().flatten().map(|hit| hit.docid.as_str()))?;
    Ok(atomic::write_file_with(path, |out| {
        for (qid, hits) in run {
            let mut previous = f32::INFINITY;
            for (i, hit) in rank(hits).into_iter().enumerate() {
                let score = hit.score.min(previous.next_down());
                writeln!(out, "{qid} Q0 {} {} {score} {tag}", hit.docid, i + 1)?;
                previous = score;
            }
        }
        Ok(())
    })?)
}

/// Writes `run` as MS MARCO's script wants it: `qid⇥docid⇥rank`, from rank 1.
///
/// # Errors
/// As [`write_run`].
pub fn write_msmarco_run(path: &Path, run: &Run) -> Result<(), Error> {
    check_ids(path, run.keys().map(String::as_str))?;
    check_ids(path, run.values().flatten().map(|hit| hit.docid.as_str()))?;
    Ok(atomic::write_file_with(path, |out| {
        for (qid, hits) in run {
            for (i, hit) in rank(hits).into_iter().enumerate() {
                writeln!(out, "{qid}\t{}\t{}", hit.docid, i + 1)?;
            }
        }
        Ok(())
    })?)
}

/// Writes judgments in TREC form (`qid 0 docid judgment`), sorted by id.
///
/// # Errors
/// As [`write_run`].
pub fn write_qrels(path: &Path, qrels: &Qrels) -> Result<(), Error> {
    check_ids(path, qrels.keys().map(String::as_str))?;
    check_ids(path, qrels.values().flat_map(HashMap::keys).map(String::as_str))?;
    Ok(atomic::write_file_with(path, |out| {
        for (qid, judgments) in qrels {
            for (docid, judgment) in BTreeMap::from_iter(judgments) {
                writeln!(out, "{qid} 0 {docid} {judgment}")?;
            }
        }
        Ok(())
    })?)
}

/// A line of a file and where it stands, to read fields from and to complain about.
struct Line<'a> {
    path: &'a Path,
    number: usize,
    text: &'a str,
}

impl Line<'_> {
    fn malformed(&self, expected: &'static str, found: &str) -> Error {
        let (path, line) = (self.path.to_owned(), self.number);
        let found = match found.char_indices().nth(80) {
            Some((end, _)) => format!("{:?}…", &found[..end]),
            None => format!("{found:?}"),
        };
        Error::Malformed { path, line, expected, found }
    }

    fn parse<T: std::str::FromStr>(&self, field: &str, expected: &'static str) -> Result<T, Error> {
        field.parse().map_err(|_| self.malformed(expected, field))
    }

    fn rank(&self, field: &str) -> Result<u32, Error> {
        self.parse(field, "a whole-number rank")
    }

    fn finite(&self, field: &str) -> Result<f32, Error> {
        let score: f32 = self.parse(field, "a number as score")?;
        if score.is_finite() { Ok(score) } else { Err(self.malformed("a finite score", field)) }
    }
}

/// Calls `each` for every line that is not blank.
fn for_each_line(
    path: &Path,
    expected: &'static str,
    mut each: impl FnMut(Line<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let io = |source| Error::Io { path: path.to_owned(), source };
    let mut reader = BufReader::new(File::open(path).map_err(io)?);
    let (mut buffer, mut number, mut empty) = (Vec::new(), 0, true);
    loop {
        buffer.clear();
        if reader.read_until(b'\n', &mut buffer).map_err(io)? == 0 {
            break;
        }
        number += 1;
        let Ok(text) = std::str::from_utf8(&buffer) else {
            let line = Line { path, number, text: "" };
            return Err(line.malformed("UTF-8 text", &String::from_utf8_lossy(&buffer)));
        };
        let text = text.trim();
        if !text.is_empty() {
            empty = false;
            each(Line { path, number, text })?;
        }
    }
    if empty { Err(Error::Empty { path: path.to_owned(), expected }) } else { Ok(()) }
}

/// Refuses ids that the written file could not be split into again.
fn check_ids<'a>(path: &Path, mut ids: impl Iterator<Item = &'a str>) -> Result<(), Error> {
    match ids.find(|id| id.is_empty() || id.contains(char::is_whitespace)) {
        Some(id) => Err(Error::Id { path: path.to_owned(), id: id.to_owned() }),
        None => Ok(()),
    }
}
