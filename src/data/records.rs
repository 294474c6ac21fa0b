//! Training records for fine-tuning: a query, passages that answer it, passages that do not.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use super::beir;
use super::error::{Error, Result, excerpt};
use super::files::Lines;

/// One training record; numbers are places in [`Records::passages`] and [`Records::queries`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// Its query.
    pub query: u32,
    /// Passages that answer it, at least one.
    pub positives: Vec<u32>,
    /// Passages that do not.
    pub negatives: Vec<u32>,
    /// A teacher's score of each positive, then of each negative.
    pub teacher_scores: Option<Vec<f32>>,
}

/// All records of a data set. Each text is stored once: equal texts have equal numbers.
#[derive(Clone, Debug, Default)]
pub struct Records {
    records: Vec<Record>,
    queries: Texts,
    passages: Texts,
    /// For each query text, every passage that any record gives as its positive, sorted.
    relevant: Vec<Vec<u32>>,
}

impl Records {
    /// Loads a BEIR folder (split `train`) or a JSON lines file.
    ///
    /// # Errors
    /// As [`Self::from_beir`] and [`Self::from_jsonl`].
    pub fn load(path: &Path) -> Result<Self> {
        if path.is_dir() { Self::from_beir(path, "train") } else { Self::from_jsonl(path) }
    }

    /// Joins corpus, queries and judgments of a BEIR folder: one record a query, in the order of the judgments.
    /// Passages judged with 0 or less become negatives.
    ///
    /// # Errors
    /// As [`beir::corpus`], [`beir::queries`] and [`beir::qrels`]; [`Error::Malformed`] with the line of the judgment
    /// that names a query or passage which is not there; [`Error::Empty`] if no query has a relevant passage.
    pub fn from_beir(dir: &Path, split: &str) -> Result<Self> {
        let judgments = beir::qrels(dir, split)?;
        let (queries, corpus) = (beir::queries(dir)?, beir::corpus(dir)?);
        let (query_texts, passage_texts) = (by_id(&queries), by_id(&corpus));

        let qrels = dir.join("qrels").join(format!("{split}.tsv"));
        let mut all = Self::default();
        let mut record_of = HashMap::<&str, usize>::new();
        for judgment in &judgments {
            let absent = |kind: &str, id: &str, file: &str| {
                let expected = format!("a {kind} of {file}");
                Error::malformed(&qrels, judgment.line, expected, format!("{kind} `{id}`"))
            };
            let query = query_texts
                .get(judgment.query_id.as_str())
                .ok_or_else(|| absent("query", &judgment.query_id, "queries.jsonl"))?;
            let passage = passage_texts
                .get(judgment.passage_id.as_str())
                .ok_or_else(|| absent("passage", &judgment.passage_id, "corpus.jsonl"))?;
            let record = *record_of.entry(&judgment.query_id).or_insert_with(|| {
                let query = all.queries.number(query);
                all.records.push(Record { query, ..Record::default() });
                all.records.len() - 1
            });
            let passage = all.passages.number(passage);
            let record = &mut all.records[record];
            let list =
                if judgment.score > 0 { &mut record.positives } else { &mut record.negatives };
            if !list.contains(&passage) {
                list.push(passage);
            }
        }
        all.records.retain(|record| !record.positives.is_empty());
        // Random negatives are drawn from the whole corpus.
        for passage in &corpus {
            all.passages.number(&passage.text);
        }
        all.finish(&qrels)
    }

    /// Reads one record a line: `{"query","pos":[…],"neg":[…],"pos_scores":[…],"neg_scores":[…]}` or
    /// `{"anchor","positive","negative"}`, where one text may stand for a list of one.
    ///
    /// # Errors
    /// [`Error::Malformed`] with the line that lacks a query text or a positive, or whose scores do not match its
    /// passages; [`Error::Empty`] if there is no record.
    pub fn from_jsonl(path: &Path) -> Result<Self> {
        const EXPECTED: &str = "`{\"query\", \"pos\": […], \"neg\": […]}` or `{\"anchor\", \"positive\", \"negative\"}`";
        let mut all = Self::default();
        for line in Lines::open(path)? {
            let (number, line) = line?;
            if line.trim().is_empty() {
                continue;
            }
            let wrong = |found: String| Error::malformed(path, number, EXPECTED, found);
            let read: JsonRecord = serde_json::from_str(&line)
                .map_err(|e| wrong(format!("{} ({e})", excerpt(&line))))?;
            if read.query.trim().is_empty() {
                return Err(wrong("a record without query text".into()));
            }
            let (positives, negatives) = (read.positives.into_vec(), read.negatives.into_vec());
            if positives.is_empty() {
                return Err(wrong("a record without a positive".into()));
            }
            if positives.iter().chain(&negatives).any(|text| text.trim().is_empty()) {
                return Err(wrong("a passage without text".into()));
            }
            let teacher_scores = match (read.pos_scores, read.neg_scores) {
                (Some(pos), neg) => {
                    let scores = [pos.clone(), neg.unwrap_or_default()].concat();
                    if pos.len() != positives.len() || scores.len() != pos.len() + negatives.len() {
                        let found = format!(
                            "{} scores for {} positives and {} negatives",
                            scores.len(),
                            positives.len(),
                            negatives.len()
                        );
                        return Err(wrong(found));
                    }
                    Some(scores)
                }
                (None, Some(_)) => return Err(wrong("neg_scores without pos_scores".into())),
                (None, None) => None,
            };
            let mut numbers = |texts: Vec<String>| {
                texts.iter().map(|text| all.passages.number(text)).collect::<Vec<u32>>()
            };
            let (positives, negatives) = (numbers(positives), numbers(negatives));
            let query = all.queries.number(&read.query);
            all.records.push(Record { query, positives, negatives, teacher_scores });
        }
        all.finish(path)
    }

    /// The records, in the order of the file.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// Number of records.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Never true of records that were loaded.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Distinct query texts.
    pub fn queries(&self) -> &[Arc<str>] {
        &self.queries.texts
    }

    /// Distinct passage texts; of a BEIR folder, all of its corpus.
    pub fn passages(&self) -> &[Arc<str>] {
        &self.passages.texts
    }

    /// Passages known to answer a query text, sorted: the positives of every record that asks it.
    pub fn relevant(&self, query: u32) -> &[u32] {
        &self.relevant[query as usize]
    }

    fn finish(mut self, path: &Path) -> Result<Self> {
        if self.records.is_empty() {
            let expected = "at least one query with a positive".to_owned();
            return Err(Error::Empty { path: path.into(), expected });
        }
        let mut relevant = BTreeMap::<u32, Vec<u32>>::new();
        for record in &self.records {
            relevant.entry(record.query).or_default().extend(&record.positives);
        }
        self.relevant = vec![Vec::new(); self.queries.texts.len()];
        for (query, mut passages) in relevant {
            passages.sort_unstable();
            passages.dedup();
            self.relevant[query as usize] = passages;
        }
        Ok(self)
    }
}

fn by_id(entries: &[beir::Entry]) -> HashMap<&str, &str> {
    entries.iter().map(|entry| (entry.id.as_str(), entry.text.as_str())).collect()
}

/// Texts by number, each once.
#[derive(Clone, Debug, Default)]
struct Texts {
    texts: Vec<Arc<str>>,
    numbers: HashMap<Arc<str>, u32>,
}

impl Texts {
    fn number(&mut self, text: &str) -> u32 {
        if let Some(&number) = self.numbers.get(text) {
            return number;
        }
        let number = self.texts.len() as u32;
        let text: Arc<str> = text.into();
        self.texts.push(text.clone());
        self.numbers.insert(text, number);
        number
    }
}

#[derive(serde::Deserialize)]
struct JsonRecord {
    #[serde(alias = "anchor", default)]
    query: String,
    #[serde(rename = "pos", alias = "positive", default)]
    positives: OneOrMany,
    #[serde(rename = "neg", alias = "negative", default)]
    negatives: OneOrMany,
    pos_scores: Option<Vec<f32>>,
    neg_scores: Option<Vec<f32>>,
}

#[derive(serde::Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl Default for OneOrMany {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl OneOrMany {
    fn into_vec(self) -> Vec<String> {
        match self {
            Self::One(text) => vec![text],
            Self::Many(texts) => texts,
        }
    }
}
