//! WordPiece tokenization through Hugging Face `tokenizers`, from and to the files of a model directory.

use std::fs;
use std::io::Write;
use std::path::Path;

use rayon::prelude::*;
use serde_json::{Map, Value, json};

use super::atomic;
use super::error::{Error, Result};
use super::files::{Lines, create_dir};

/// Ids of the five special tokens every model here uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpecialIds {
    /// `[CLS]`, first of every sequence.
    pub cls: u32,
    /// `[SEP]`, last of every sequence.
    pub sep: u32,
    /// `[PAD]`, after the last.
    pub pad: u32,
    /// `[MASK]`, in place of a hidden token.
    pub mask: u32,
    /// `[UNK]`, in place of a word that has no pieces.
    pub unk: u32,
}

impl SpecialIds {
    /// The five ids.
    pub fn all(&self) -> [u32; 5] {
        [self.pad, self.unk, self.cls, self.sep, self.mask]
    }
}

/// Turns text into ids, as `BertTokenizerFast` does, and knows which ids continue a word.
#[derive(Clone, Debug)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    tokens: Vec<String>,
    continuation: Vec<bool>,
    special: SpecialIds,
}

impl Tokenizer {
    /// Loads `tokenizer.json`, or else `vocab.txt` with the settings of `tokenizer_config.json` (lower case if silent).
    ///
    /// # Errors
    /// [`Error::Missing`] if neither is there, [`Error::WrongFormat`] if it cannot be read or lacks a special token.
    pub fn load(dir: &Path) -> Result<Self> {
        let whole = dir.join("tokenizer.json");
        if whole.is_file() {
            let bytes = fs::read(&whole).map_err(|e| Error::io(&whole, "read", e))?;
            return Self::from_json(&bytes, &whole);
        }
        let vocab = dir.join("vocab.txt");
        if !vocab.is_file() {
            let expected = "a directory with tokenizer.json or vocab.txt".to_owned();
            return Err(Error::Missing { path: dir.into(), expected });
        }
        let tokens: Vec<String> =
            Lines::open(&vocab)?.map(|line| line.map(|(_, token)| token)).collect::<Result<_>>()?;
        if tokens.is_empty() {
            return Err(Error::Empty { path: vocab, expected: "one token a line".into() });
        }
        Self::from_vocab(&tokens, &Casing::read(&dir.join("tokenizer_config.json"))?, &vocab)
    }

    /// Builds the BERT-uncased tokenizer over `tokens`, whose places are their ids.
    ///
    /// # Errors
    /// [`Error::WrongFormat`], naming `origin`, if a special token is absent.
    pub fn uncased(tokens: &[String], origin: &Path) -> Result<Self> {
        Self::from_vocab(tokens, &Casing::default(), origin)
    }

    /// Gives `[CLS] text [SEP]`, the text cut after `max_length − 2` tokens.
    ///
    /// # Panics
    /// If `max_length` has no room for the two special tokens.
    #[track_caller]
    pub fn encode(&self, text: &str, max_length: usize) -> Vec<u32> {
        assert!(max_length >= 2, "encode: max_length is {max_length}, expected at least 2");
        let text = self.encode_plain(text);
        let kept = &text[..text.len().min(max_length - 2)];
        [&[self.special.cls], kept, &[self.special.sep]].concat()
    }

    /// Gives `[CLS] first [SEP] second [SEP]` and the length of the part before `second` (token type 0);
    /// tokens are cut from the end of the longer text until both fit (`longest_first`).
    ///
    /// # Panics
    /// If `max_length` has no room for the three special tokens.
    #[track_caller]
    pub fn encode_pair(&self, first: &str, second: &str, max_length: usize) -> (Vec<u32>, usize) {
        assert!(max_length >= 3, "encode_pair: max_length is {max_length}, expected at least 3");
        let (mut first, mut second) = (self.encode_plain(first), self.encode_plain(second));
        let room = max_length - 3;
        // Cutting the longer one token by token ends where both are at most half, or the shorter is whole.
        let half = if first.len() > second.len() { room.div_ceil(2) } else { room / 2 };
        let first_room = room.saturating_sub(second.len()).max(half);
        first.truncate(first_room);
        second.truncate(room - first.len());
        let SpecialIds { cls, sep, .. } = self.special;
        ([&[cls], &first[..], &[sep], &second[..], &[sep]].concat(), first.len() + 2)
    }

    /// Gives the ids of `text` alone, without special tokens and whole.
    pub fn encode_plain(&self, text: &str) -> Vec<u32> {
        self.inner
            .encode_fast(text, false)
            .expect("WordPiece has an unknown token, checked when loaded, so every text encodes")
            .get_ids()
            .to_vec()
    }

    /// Encodes many texts on all cores, in their order.
    pub fn encode_batch<S: AsRef<str> + Sync>(
        &self,
        texts: &[S],
        max_length: usize,
    ) -> Vec<Vec<u32>> {
        texts.par_iter().map(|text| self.encode(text.as_ref(), max_length)).collect()
    }

    /// Number of ids: one more than the largest.
    pub fn vocab_size(&self) -> usize {
        self.tokens.len()
    }

    /// Ids of the special tokens.
    pub fn special(&self) -> SpecialIds {
        self.special
    }

    /// Text of a token, `##` included.
    ///
    /// # Panics
    /// If `id` is not below [`Self::vocab_size`].
    #[track_caller]
    pub fn token(&self, id: u32) -> &str {
        &self.tokens[id as usize]
    }

    /// The id of a token, `None` for a text that is none.
    pub fn id_of(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// The same with special tokens more, those that it lacks, whose ids follow the others.
    #[must_use]
    pub fn with_special_tokens(&self, tokens: &[&str]) -> Self {
        let mut inner = self.inner.clone();
        let special = |token: &&str| tokenizers::AddedToken::from(*token, true);
        inner.add_special_tokens(&tokens.iter().map(special).collect::<Vec<_>>());
        let json = inner.to_string(false).expect("a tokenizer that was read is written");
        let more = Self::from_json(json.as_bytes(), Path::new("tokenizer.json"));
        more.expect("a tokenizer with more tokens is one")
    }

    /// Whether a token continues the word before it (starts with `##`).
    ///
    /// # Panics
    /// If `id` is not below [`Self::vocab_size`].
    #[track_caller]
    pub fn is_continuation(&self, id: u32) -> bool {
        self.continuation[id as usize]
    }

    /// A number that differs between vocabularies: FNV-1a over the tokens in order.
    pub fn fingerprint(&self) -> u64 {
        let bytes = self.tokens.iter().flat_map(|token| token.bytes().chain([b'\n']));
        bytes.fold(FNV_OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME))
    }

    /// Writes `tokenizer.json`, `tokenizer_config.json` and `vocab.txt`, which `transformers` loads.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Write`]; each file is whole or as it was before.
    pub fn save(&self, dir: &Path, max_length: usize) -> Result<()> {
        create_dir(dir)?;
        let whole = self
            .inner
            .to_string(true)
            .expect("a tokenizer that was read from JSON is written as JSON");
        let lower_case = serde_json::from_str::<Value>(&whole)
            .ok()
            .and_then(|json| json["normalizer"]["lowercase"].as_bool())
            .unwrap_or(true);
        let config = json!({
            "tokenizer_class": "BertTokenizer",
            "do_lower_case": lower_case,
            "model_max_length": max_length,
            "cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]",
            "mask_token": "[MASK]", "unk_token": "[UNK]",
        });
        atomic::write_file(&dir.join("tokenizer.json"), whole.as_bytes())?;
        atomic::write_file_with(&dir.join("tokenizer_config.json"), |file| {
            serde_json::to_writer_pretty(&mut *file, &config)?;
            file.write_all(b"\n")
        })?;
        Ok(atomic::write_file_with(&dir.join("vocab.txt"), |file| {
            self.tokens.iter().try_for_each(|token| writeln!(file, "{token}"))
        })?)
    }

    /// Splits text into the words WordPiece sees: normalized, cut at spaces and punctuation.
    pub(crate) fn words(&self, text: &str) -> Vec<String> {
        use tokenizers::{
            NormalizedString, Normalizer, OffsetReferential, OffsetType, PreTokenizedString,
            PreTokenizer,
        };
        let mut text = NormalizedString::from(text);
        if let Some(normalizer) = self.inner.get_normalizer() {
            normalizer.normalize(&mut text).expect("BertNormalizer accepts every text");
        }
        let mut words = PreTokenizedString::from(text);
        if let Some(splitter) = self.inner.get_pre_tokenizer() {
            splitter.pre_tokenize(&mut words).expect("BertPreTokenizer accepts every text");
        }
        let splits = words.get_splits(OffsetReferential::Normalized, OffsetType::None);
        splits.into_iter().map(|(word, ..)| word.to_owned()).collect()
    }

    fn from_vocab(tokens: &[String], casing: &Casing, origin: &Path) -> Result<Self> {
        let vocab: Map<String, Value> =
            tokens.iter().enumerate().map(|(id, token)| (token.clone(), json!(id))).collect();
        if let Some(absent) = SPECIAL_TOKENS.iter().find(|token| !vocab.contains_key(**token)) {
            return Err(Error::WrongFormat {
                path: origin.into(),
                expected: format!("a vocabulary with {absent}"),
                found: "none".into(),
            });
        }
        let id = |token: &str| vocab[token].clone();
        let added = SPECIAL_TOKENS.map(|token| {
            json!({"id": id(token), "content": token, "special": true, "single_word": false,
                   "lstrip": false, "rstrip": false, "normalized": false})
        });
        let part = |token: &str, kind: u32| json!({"SpecialToken": {"id": token, "type_id": kind}});
        let text = |name: &str, kind: u32| json!({"Sequence": {"id": name, "type_id": kind}});
        let special = |t: &str| json!({"id": t, "ids": [id(t)], "tokens": [t]});
        let whole = json!({
            "version": "1.0", "truncation": null, "padding": null,
            "added_tokens": added,
            "normalizer": {"type": "BertNormalizer", "clean_text": true,
                "handle_chinese_chars": casing.tokenize_chinese_chars,
                "strip_accents": casing.strip_accents, "lowercase": casing.do_lower_case},
            "pre_tokenizer": {"type": "BertPreTokenizer"},
            "post_processor": {"type": "TemplateProcessing",
                "single": [part("[CLS]", 0), text("A", 0), part("[SEP]", 0)],
                "pair": [part("[CLS]", 0), text("A", 0), part("[SEP]", 0), text("B", 1), part("[SEP]", 1)],
                "special_tokens": {"[CLS]": special("[CLS]"), "[SEP]": special("[SEP]")}},
            "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
            "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                "max_input_chars_per_word": 100, "vocab": vocab},
        });
        Self::from_json(whole.to_string().as_bytes(), origin)
    }

    fn from_json(bytes: &[u8], path: &Path) -> Result<Self> {
        let wrong = |expected: &str, found: String| Error::WrongFormat {
            path: path.into(),
            expected: expected.into(),
            found,
        };
        let mut inner = tokenizers::Tokenizer::from_bytes(bytes)
            .map_err(|e| wrong("a tokenizer of Hugging Face `tokenizers`", e.to_string()))?;
        // Cutting and padding are decided by each call, not by the file.
        inner.with_padding(None);
        inner.with_truncation(None).expect("no truncation is always valid");

        let vocab = inner.get_vocab(true);
        let size = vocab.values().max().map_or(0, |&largest| largest as usize + 1);
        let mut tokens = vec![String::new(); size];
        for (token, id) in vocab {
            tokens[id as usize] = token;
        }
        let id = |token: &str| {
            inner
                .token_to_id(token)
                .ok_or_else(|| wrong(&format!("a vocabulary with {token}"), "none".into()))
        };
        let special = SpecialIds {
            cls: id("[CLS]")?,
            sep: id("[SEP]")?,
            pad: id("[PAD]")?,
            mask: id("[MASK]")?,
            unk: id("[UNK]")?,
        };
        let continuation = tokens.iter().map(|token| token.starts_with("##")).collect();
        Ok(Self { inner, tokens, continuation, special })
    }
}

/// Special tokens in the order BERT-uncased conventions give new vocabularies: ids 0 to 4.
pub(crate) const SPECIAL_TOKENS: [&str; 5] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];

/// 64-bit FNV-1a (Fowler, Noll, Vo; IETF draft-eastlake-fnv).
pub(crate) const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
pub(crate) const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

/// Keys of `tokenizer_config.json` that shape the normalizer; defaults are those of `BertTokenizer`.
#[derive(serde::Deserialize)]
#[serde(default)]
struct Casing {
    do_lower_case: bool,
    strip_accents: Option<bool>,
    tokenize_chinese_chars: bool,
}

impl Default for Casing {
    fn default() -> Self {
        Self { do_lower_case: true, strip_accents: None, tokenize_chinese_chars: true }
    }
}

impl Casing {
    fn read(path: &Path) -> Result<Self> {
        if !path.is_file() {
            return Ok(Self::default());
        }
        let bytes = fs::read(path).map_err(|e| Error::io(path, "read", e))?;
        serde_json::from_slice(&bytes).map_err(|e| {
            Error::malformed(path, e.line() as u64, "tokenizer settings as JSON", e.to_string())
        })
    }
}
