//! WordPiece and byte-level BPE through Hugging Face `tokenizers`, from and to the files of a model directory.

mod settings;

use std::fs;
use std::io::Write;
use std::path::Path;

use rayon::prelude::*;
use serde_json::{Map, Value, json};

use super::atomic;
use super::byte_level::{END_OF_TEXT, tokenizer_json};
use super::delimiters::{Delimiters, Side};
use super::error::{Error, Result};
use super::files::{Lines, create_dir};

/// Ids of the five special tokens every model here uses. GPT-2's vocabulary has one, `<|endoftext|>`, which is all of them.
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

/// Turns text into ids, as `BertTokenizerFast` or `GPT2TokenizerFast` does, and knows which ids continue a word.
#[derive(Clone, Debug)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    tokens: Vec<String>,
    continuation: Vec<bool>,
    special: SpecialIds,
    delimiters: Delimiters,
}

impl Tokenizer {
    /// Loads `tokenizer.json`, or else `vocab.txt` with the settings of `tokenizer_config.json` (lower case if silent), or else
    /// GPT-2's `vocab.json` and `merges.txt`; and the delimiters that a former [`Tokenizer::save`] wrote down.
    ///
    /// # Errors
    /// [`Error::Missing`] if none is there, [`Error::WrongFormat`] if it cannot be read or lacks a special token.
    pub fn load(dir: &Path) -> Result<Self> {
        let mut tokenizer = Self::load_files(dir)?;
        let id = |token: &str| tokenizer.inner.token_to_id(token);
        tokenizer.delimiters = settings::delimiters(dir, tokenizer.delimiters, id)?;
        Ok(tokenizer)
    }

    fn load_files(dir: &Path) -> Result<Self> {
        let whole = dir.join("tokenizer.json");
        if whole.is_file() {
            let bytes = fs::read(&whole).map_err(|e| Error::io(&whole, "read", e))?;
            return Self::from_json(&bytes, &whole);
        }
        let (vocab, merges) = (dir.join("vocab.json"), dir.join("merges.txt"));
        if vocab.is_file() && merges.is_file() {
            let whole = tokenizer_json(&vocab, &merges)?;
            return Self::from_json(whole.to_string().as_bytes(), &vocab);
        }
        let vocab = dir.join("vocab.txt");
        if !vocab.is_file() {
            let expected =
                "a directory with tokenizer.json or vocab.txt, or with vocab.json and merges.txt";
            let expected = expected.to_owned();
            return Err(Error::Missing { path: dir.into(), expected });
        }
        let tokens: Vec<String> =
            Lines::open(&vocab)?.map(|line| line.map(|(_, token)| token)).collect::<Result<_>>()?;
        if tokens.is_empty() {
            return Err(Error::Empty { path: vocab, expected: "one token a line".into() });
        }
        Self::from_vocab(&tokens, &settings::read(dir)?.unwrap_or_default(), &vocab)
    }

    /// Builds the BERT-uncased tokenizer over `tokens`, whose places are their ids.
    ///
    /// # Errors
    /// [`Error::WrongFormat`], naming `origin`, if a special token is absent.
    pub fn uncased(tokens: &[String], origin: &Path) -> Result<Self> {
        Self::from_vocab(tokens, &settings::Casing::default(), origin)
    }

    /// Tells queries from passages by what stands around them; `names` are four tokens, `[SOS_x] [EOS_x] [SOS_y] [EOS_y]`, or else
    /// the first four [`CANDIDATES`](super::delimiters::CANDIDATES) that the vocabulary has. A tokenizer that tells them apart
    /// already stays as it is, unless there are names.
    ///
    /// # Errors
    /// What is wrong with the names.
    pub fn with_delimiters(self, names: Option<&str>) -> Result<Self, String> {
        let id = |name: &str| self.inner.token_to_id(name);
        let delimiters = match names {
            Some(names) => {
                let all: Option<Vec<u32>> = names.split_whitespace().map(id).collect();
                match all.as_deref() {
                    Some(&[a, b, c, d]) => Delimiters { query: [a, b], passage: [c, d] },
                    _ => {
                        return Err(format!(
                            "expected four tokens of the vocabulary, found {names:?}"
                        ));
                    }
                }
            }
            None if self.delimiters.query != self.delimiters.passage => self.delimiters,
            None => Delimiters::choose(id)
                .ok_or("the vocabulary has no [unused2] to [unused5] and no [ ] { }")?,
        };
        Ok(Self { delimiters, ..self })
    }

    /// Gives `[CLS] text [SEP]`, the text cut after `max_length − 2` tokens; or what stands around a passage instead.
    ///
    /// # Panics
    /// If `max_length` has no room for the two special tokens.
    #[track_caller]
    pub fn encode(&self, text: &str, max_length: usize) -> Vec<u32> {
        self.encode_as(Side::Passage, text, max_length)
    }

    /// As [`Tokenizer::encode`], with what stands around a text of `side`.
    ///
    /// # Panics
    /// As there.
    #[track_caller]
    pub fn encode_as(&self, side: Side, text: &str, max_length: usize) -> Vec<u32> {
        assert!(max_length >= 2, "encode: max_length is {max_length}, expected at least 2");
        let text = self.encode_plain(text);
        let kept = &text[..text.len().min(max_length - 2)];
        let [first, last] = self.delimiters.of(side);
        [&[first], kept, &[last]].concat()
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
            .expect("WordPiece has an unknown token and BPE every byte, so every text encodes")
            .get_ids()
            .to_vec()
    }

    /// Encodes many texts on all cores, in their order.
    pub fn encode_batch<S: AsRef<str> + Sync>(
        &self,
        side: Side,
        texts: &[S],
        max_length: usize,
    ) -> Vec<Vec<u32>> {
        texts.par_iter().map(|text| self.encode_as(side, text.as_ref(), max_length)).collect()
    }

    /// Number of ids: one more than the largest.
    pub fn vocab_size(&self) -> usize {
        self.tokens.len()
    }

    /// Ids of the special tokens.
    pub fn special(&self) -> SpecialIds {
        self.special
    }

    /// What stands around texts.
    pub fn delimiters(&self) -> Delimiters {
        self.delimiters
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

    /// Whether a token continues the word before it: starts with `##`, or in a byte-level vocabulary with no blank.
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

    /// Writes `tokenizer.json`, `tokenizer_config.json` and, for WordPiece, `vocab.txt`, which `transformers` loads.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Write`]; each file is whole or as it was before.
    pub fn save(&self, dir: &Path, max_length: usize) -> Result<()> {
        self.save_for(dir, max_length, "bert")
    }

    /// As [`Self::save`], beside a model of this type: transformers' GPT-2 would add word 0 for every token type 0.
    ///
    /// # Errors
    /// As there.
    pub fn save_for(&self, dir: &Path, max_length: usize, model_type: &str) -> Result<()> {
        create_dir(dir)?;
        let mut whole = self
            .inner
            .to_string(true)
            .expect("a tokenizer that was read from JSON is written as JSON");
        let mut json: Value = serde_json::from_str(&whole).unwrap_or_default();
        let special = self.special.all().map(|id| self.token(id));
        let lower_case = json["normalizer"]["lowercase"].as_bool().unwrap_or(true);
        let mut config = match self.is_byte_level() {
            true => settings::of_gpt2(END_OF_TEXT, max_length),
            false => settings::of_bert(special, lower_case, max_length),
        };
        if model_type == "gpt2" {
            config["model_input_names"] = json!(["input_ids", "attention_mask"]);
        }
        if self.is_byte_level() || self.delimiters != Delimiters::usual(&self.special) {
            json["post_processor"] = self.delimiters.post_processor(|id| self.token(id).into());
            whole = format!("{json:#}");
            settings::tell_delimiters(&mut config, self.delimiters, |id| self.token(id));
        }
        atomic::write_file(&dir.join("tokenizer.json"), whole.as_bytes())?;
        atomic::write_file_with(&dir.join(settings::FILE), |file| {
            serde_json::to_writer_pretty(&mut *file, &config)?;
            file.write_all(b"\n")
        })?;
        if self.is_byte_level() {
            return Ok(());
        }
        Ok(atomic::write_file_with(&dir.join("vocab.txt"), |file| {
            self.tokens.iter().try_for_each(|token| writeln!(file, "{token}"))
        })?)
    }

    /// Whether it is GPT-2's: with a single special token.
    fn is_byte_level(&self) -> bool {
        self.special.cls == self.special.pad
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

    fn from_vocab(tokens: &[String], casing: &settings::Casing, origin: &Path) -> Result<Self> {
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
        let end_of_text = match inner.token_to_id("[CLS]") {
            Some(_) => None,
            None => inner.token_to_id(END_OF_TEXT),
        };
        let id = |token: &str| {
            end_of_text
                .or_else(|| inner.token_to_id(token))
                .ok_or_else(|| wrong(&format!("a vocabulary with {token}"), "none".into()))
        };
        let special = SpecialIds {
            cls: id("[CLS]")?,
            sep: id("[SEP]")?,
            pad: id("[PAD]")?,
            mask: id("[MASK]")?,
            unk: id("[UNK]")?,
        };
        let continues = |token: &String| match end_of_text {
            Some(_) => !token.starts_with(BLANK),
            None => token.starts_with("##"),
        };
        let continuation = tokens.iter().map(continues).collect();
        let delimiters = Delimiters::usual(&special);
        Ok(Self { inner, tokens, continuation, special, delimiters })
    }
}

/// How a byte-level vocabulary writes a blank.
const BLANK: char = 'Ġ';

/// Special tokens in the order BERT-uncased conventions give new vocabularies: ids 0 to 4.
pub(crate) const SPECIAL_TOKENS: [&str; 5] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];

/// 64-bit FNV-1a (Fowler, Noll, Vo; IETF draft-eastlake-fnv).
pub(crate) const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
pub(crate) const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;
