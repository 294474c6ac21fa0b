//! Texts with answers, for classification, regression and token classification: files and batches.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use super::collate::{Padding, TokenBatch};
use super::error::{Error, Result, excerpt};
use super::files::Lines;
use super::tokenizer::{SpecialIds, Tokenizer};

/// What an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One of some classes, for a text or a pair of texts.
    Class,
    /// A number, for the same.
    Number,
    /// One of some classes, for each word.
    Tags,
}

/// What an example should be answered with.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// A class by its name.
    Class(String),
    /// A number.
    Number(f32),
    /// A class a word.
    Tags(Vec<String>),
}

/// One example.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    /// One or two texts; the words, where these have tags.
    pub texts: Vec<String>,
    /// Its answer.
    pub answer: Answer,
    line: u64,
}

/// The examples of a file.
#[derive(Clone, Debug)]
pub struct Examples {
    /// In the order of the file; at least one.
    pub examples: Vec<Example>,
    kind: Kind,
    path: PathBuf,
}

impl Examples {
    /// Reads a file; what it holds follows from its name and its lines.
    ///
    /// | file | a line |
    /// |---|---|
    /// | `.jsonl` | `{"text" or "sentence1", "text_pair" or "sentence2", "label" or "score"}`, or `{"tokens": […], "tags": […]}` |
    /// | of tags, any other | `word … tag`, separated by white space; a blank line between texts (CoNLL) |
    /// | with tabs | `label ⇥ text` or `label ⇥ text ⇥ text`; from seven columns on STS-B's own: score, text, text from the fifth |
    /// | any other | `label text`, separated by the first space |
    ///
    /// # Errors
    /// [`Error::Malformed`] with the line, [`Error::Empty`] without an example.
    pub fn load(path: &Path, kind: Kind) -> Result<Self> {
        let json = path.extension().is_some_and(|extension| extension == "jsonl");
        let examples = match (json, kind) {
            (true, _) => lines(path, |line| from_json(path, line, kind))?,
            (false, Kind::Tags) => tagged(path)?,
            _ => lines(path, |line| from_text(path, line, kind))?,
        };
        if examples.is_empty() {
            return Err(Error::Empty { path: path.into(), expected: "a labelled text".into() });
        }
        Ok(Self { examples, kind, path: path.into() })
    }

    /// What their answers are.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The names of the classes: as numbers in order where all are numbers, else by the alphabet.
    pub fn classes(&self) -> Vec<String> {
        let all = self.examples.iter().flat_map(|example| example.answer.classes());
        let mut names: Vec<String> = all.cloned().collect::<BTreeSet<_>>().into_iter().collect();
        if names.iter().all(|name| name.parse::<i64>().is_ok()) {
            names.sort_by_key(|name| name.parse::<i64>().expect("it was just parsed"));
        }
        names
    }

    /// The numbers of the classes of each example among `names`.
    ///
    /// # Errors
    /// [`Error::Malformed`] with the line of a class that is none of them.
    pub fn numbered(&self, names: &[String]) -> Result<Vec<Vec<u32>>> {
        let number: HashMap<&str, u32> = (0..).zip(names).map(|(id, n)| (n.as_str(), id)).collect();
        let of = |example: &Example| -> Result<Vec<u32>> {
            let number = |name: &String| {
                number.get(name.as_str()).copied().ok_or_else(|| {
                    let expected = format!("one of the labels {}", names.join(", "));
                    Error::malformed(&self.path, example.line, expected, format!("`{name}`"))
                })
            };
            example.answer.classes().iter().map(number).collect()
        };
        self.examples.iter().map(of).collect()
    }
}

impl Answer {
    fn classes(&self) -> &[String] {
        match self {
            Self::Class(name) => std::slice::from_ref(name),
            Self::Tags(names) => names,
            Self::Number(_) => &[],
        }
    }
}

/// A batch of labelled texts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LabelBatch {
    /// `[B, T]`.
    pub text: TokenBatch,
    /// `[B, T]`: which of two texts a token is of; 2 for XLNet's `[CLS]`; 0 in the padding.
    pub token_type_ids: Vec<u32>,
    /// Flat places `b·T + t` of the tokens that have tags, increasing: the first of each word.
    pub places: Vec<u32>,
    /// A class for each text, or for each place.
    pub classes: Vec<u32>,
    /// A number for each text.
    pub numbers: Vec<f32>,
}

/// Makes batches of examples; nothing in them is random.
#[derive(Clone, Debug)]
pub struct LabelCollator {
    /// Turns texts into ids.
    pub tokenizer: Arc<Tokenizer>,
    /// Rows of the model's embedding table.
    pub model_vocab_size: usize,
    /// Longest row, special tokens included; longer texts lose their end, words with their tags.
    pub max_length: usize,
    /// Where `[CLS]` stands.
    pub order: Order,
}

/// Where `[CLS]` stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// `[CLS] text [SEP] text [SEP]` (BERT).
    First,
    /// `text [SEP] text [SEP] [CLS]` (XLNet).
    Last,
}

impl LabelCollator {
    /// Makes the batch of these examples, whose classes have the numbers `classes`.
    ///
    /// # Errors
    /// [`Error::IdOutOfRange`] if the tokenizer is not the model's.
    ///
    /// # Panics
    /// If an example is not below `examples.len()`.
    pub fn batch(
        &self,
        examples: &[Example],
        classes: &[Vec<u32>],
        chosen: &[u32],
    ) -> Result<LabelBatch> {
        let rows: Vec<Row> = chosen.iter().map(|&at| self.row(&examples[at as usize])).collect();
        let ids: Vec<&[u32]> = rows.iter().map(|row| &row.ids[..]).collect();
        let (pad, limit) = (self.tokenizer.special().pad, self.model_vocab_size);
        let name = |row: usize| format!("example {} of the data", chosen[row] + 1);
        let padding = Padding::default();
        let text = TokenBatch::pad(&ids, pad, padding, self.max_length, limit, name)?;
        let mut batch =
            LabelBatch { token_type_ids: vec![0; text.input_ids.len()], ..LabelBatch::default() };
        for (at, (row, &example)) in rows.iter().zip(chosen).enumerate() {
            let start = at * text.tokens;
            batch.token_type_ids[start..][..row.types.len()].copy_from_slice(&row.types);
            let classes = &classes[example as usize];
            match &examples[example as usize].answer {
                Answer::Number(number) => batch.numbers.push(*number),
                Answer::Class(_) => batch.classes.extend(classes),
                Answer::Tags(_) => {
                    batch.places.extend(row.words.iter().map(|place| (start + place) as u32));
                    batch.classes.extend(&classes[..row.words.len()]);
                }
            }
        }
        Ok(LabelBatch { text, ..batch })
    }

    fn row(&self, example: &Example) -> Row {
        let SpecialIds { cls, sep, .. } = self.tokenizer.special();
        let (mut ids, mut types, mut words) = (Vec::new(), Vec::new(), Vec::new());
        match (&example.answer, &example.texts[..]) {
            (Answer::Tags(_), texts) => {
                ids.push(cls);
                for word in texts {
                    let mut pieces = self.tokenizer.encode_plain(word);
                    if pieces.is_empty() {
                        pieces.push(self.tokenizer.special().unk); // a word of what WordPiece drops
                    }
                    if ids.len() + pieces.len() >= self.max_length {
                        break;
                    }
                    words.push(ids.len());
                    ids.extend(pieces);
                }
                ids.push(sep);
                types.resize(ids.len(), 0);
            }
            (_, [first, second]) => {
                let boundary;
                (ids, boundary) = self.tokenizer.encode_pair(first, second, self.max_length);
                types.resize(boundary, 0);
                types.resize(ids.len(), 1);
            }
            (_, texts) => {
                ids = self.tokenizer.encode(&texts[0], self.max_length);
                types.resize(ids.len(), 0);
            }
        }
        if self.order == Order::Last {
            ids.rotate_left(1);
            types.rotate_left(1);
            *types.last_mut().expect("a row has [CLS]") = 2;
            words.iter_mut().for_each(|place| *place -= 1);
        }
        Row { ids, types, words }
    }
}

/// One example before padding.
struct Row {
    ids: Vec<u32>,
    types: Vec<u32>,
    /// Where each word begins.
    words: Vec<usize>,
}

fn lines(
    path: &Path,
    mut read: impl FnMut((u64, &str)) -> Result<Example>,
) -> Result<Vec<Example>> {
    let mut examples = Vec::new();
    for line in Lines::open(path)? {
        let (number, line) = line?;
        if !line.trim().is_empty() {
            examples.push(read((number, &line))?);
        }
    }
    Ok(examples)
}

fn from_text(path: &Path, (line, text): (u64, &str), kind: Kind) -> Result<Example> {
    let columns: Vec<&str> = text.split('\t').collect();
    let (label, texts) = match columns[..] {
        [_, _, _, _, score, first, second, ..] => (score, vec![first, second]),
        [label, first] => (label, vec![first]),
        [label, first, second] => (label, vec![first, second]),
        _ => match text.split_once(' ') {
            Some((label, text)) if columns.len() == 1 => (label, vec![text]),
            _ => {
                let expected = "`label ⇥ text`, `label ⇥ text ⇥ text` or `label text`";
                return Err(Error::malformed(path, line, expected, excerpt(text)));
            }
        },
    };
    let answer = match kind {
        Kind::Number => Answer::Number(number(path, line, label)?),
        _ => Answer::Class(label.trim().into()),
    };
    let texts = texts.into_iter().map(str::to_string).collect();
    Ok(Example { texts, answer, line })
}

fn number(path: &Path, line: u64, text: &str) -> Result<f32> {
    let read = text.trim().parse::<f32>().ok().filter(|number| number.is_finite());
    read.ok_or_else(|| Error::malformed(path, line, "a number as the label", excerpt(text)))
}

#[derive(serde::Deserialize)]
struct JsonExample {
    #[serde(alias = "sentence", alias = "sentence1")]
    text: Option<String>,
    #[serde(alias = "sentence2")]
    text_pair: Option<String>,
    #[serde(alias = "score")]
    label: Option<Value>,
    #[serde(alias = "words")]
    tokens: Option<Vec<String>>,
    #[serde(alias = "labels", alias = "ner_tags")]
    tags: Option<Vec<Value>>,
}

fn from_json(path: &Path, (line, text): (u64, &str), kind: Kind) -> Result<Example> {
    let expected = match kind {
        Kind::Tags => "`{\"tokens\": […], \"tags\": […]}`, as many of both",
        _ => "`{\"text\", \"label\"}` or `{\"sentence1\", \"sentence2\", \"score\"}`",
    };
    let wrong = |found: String| Error::malformed(path, line, expected, found);
    let read: JsonExample =
        serde_json::from_str(text).map_err(|e| wrong(format!("{} ({e})", excerpt(text))))?;
    let name = |value: &Value| match value {
        Value::String(name) => name.clone(),
        other => other.to_string(),
    };
    let (texts, answer) = match (kind, read) {
        (Kind::Tags, JsonExample { tokens: Some(words), tags: Some(tags), .. })
            if words.len() == tags.len() =>
        {
            (words, Answer::Tags(tags.iter().map(name).collect()))
        }
        (Kind::Class, JsonExample { text: Some(text), text_pair, label: Some(label), .. }) => {
            (pair(text, text_pair), Answer::Class(name(&label)))
        }
        (Kind::Number, JsonExample { text: Some(text), text_pair, label: Some(label), .. }) => {
            (pair(text, text_pair), Answer::Number(number(path, line, &name(&label))?))
        }
        _ => return Err(wrong(excerpt(text))),
    };
    Ok(Example { texts, answer, line })
}

fn pair(text: String, second: Option<String>) -> Vec<String> {
    [Some(text), second].into_iter().flatten().collect()
}

/// Reads words with tags, one a line.
fn tagged(path: &Path) -> Result<Vec<Example>> {
    let mut examples = Vec::new();
    let (mut words, mut tags, mut first) = (Vec::new(), Vec::new(), 0);
    let mut end = |words: &mut Vec<String>, tags: &mut Vec<String>, line: u64| {
        if !words.is_empty() {
            let (texts, answer) = (std::mem::take(words), Answer::Tags(std::mem::take(tags)));
            examples.push(Example { texts, answer, line });
        }
    };
    for line in Lines::open(path)? {
        let (number, line) = line?;
        let mut fields = line.split_whitespace();
        match (fields.next(), fields.last()) {
            (None, _) => end(&mut words, &mut tags, first),
            (Some("-DOCSTART-"), _) => {}
            (Some(word), Some(tag)) => {
                first = if words.is_empty() { number } else { first };
                words.push(word.into());
                tags.push(tag.into());
            }
            (Some(_), None) => {
                let found = excerpt(&line);
                return Err(Error::malformed(path, number, "`word … tag`", found));
            }
        }
    }
    end(&mut words, &mut tags, first);
    Ok(examples)
}
