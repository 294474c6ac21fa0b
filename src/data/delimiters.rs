//! What stands around a text: its first and last token, which may tell queries from passages (cpt).

use serde_json::{Value, json};

use super::tokenizer::SpecialIds;

/// Which of two texts of a pair a text is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Side {
    /// What asks: x of cpt.
    Query,
    /// What answers: y of cpt.
    #[default]
    Passage,
}

/// First and last token of each side; the same for both but for cpt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delimiters {
    /// Around a query.
    pub query: [u32; 2],
    /// Around a passage.
    pub passage: [u32; 2],
}

/// Where the delimiters of cpt are looked for, in this order: reserved tokens of BERT's vocabulary, of which ColBERT takes the
/// first two; the characters of the paper's appendix A.1, which every byte-level vocabulary has; what is left of the special tokens.
pub const CANDIDATES: [[&str; 4]; 3] = [
    ["[unused2]", "[unused3]", "[unused4]", "[unused5]"],
    ["[", "]", "{", "}"],
    ["[CLS]", "[SEP]", "[MASK]", "[UNK]"],
];

impl Delimiters {
    /// `[CLS]` and `[SEP]` around both.
    pub fn usual(special: &SpecialIds) -> Self {
        let both = [special.cls, special.sep];
        Self { query: both, passage: both }
    }

    /// The pair of a side.
    pub fn of(&self, side: Side) -> [u32; 2] {
        match side {
            Side::Query => self.query,
            Side::Passage => self.passage,
        }
    }

    /// The first four [`CANDIDATES`] that `id` knows.
    pub fn choose(id: impl Fn(&str) -> Option<u32>) -> Option<Self> {
        let ids =
            |names: &[&str; 4]| -> Option<Vec<u32>> { names.iter().map(|name| id(name)).collect() };
        let found = CANDIDATES.iter().find_map(ids)?;
        Some(Self { query: [found[0], found[1]], passage: [found[2], found[3]] })
    }

    /// The `post_processor` of `tokenizer.json` that puts them around texts: around one text as a passage's, and as a query's
    /// around a pair, whose second text is then empty. `tokenizers` has no other place for two kinds of text.
    pub fn post_processor(&self, token: impl Fn(u32) -> String) -> Value {
        let special = |id: u32| json!({"SpecialToken": {"id": token(id), "type_id": 0}});
        let text = |name: &str| json!({"Sequence": {"id": name, "type_id": 0}});
        let Self { query: [sos_x, eos_x], passage: [sos_y, eos_y] } = *self;
        let known: serde_json::Map<_, _> = [sos_x, eos_x, sos_y, eos_y]
            .map(|id| (token(id), json!({"id": token(id), "ids": [id], "tokens": [token(id)]})))
            .into_iter()
            .collect();
        json!({
            "type": "TemplateProcessing",
            "single": [special(sos_y), text("A"), special(eos_y)],
            "pair": [special(sos_x), text("A"), text("B"), special(eos_x)],
            "special_tokens": known,
        })
    }
}
