//! BM25, the ranking by shared words that a trained retriever has to beat, and the source of hard
//! negatives.

use std::borrow::Cow;
use std::collections::HashMap;

use ::bm25::{Embedder, EmbedderBuilder, Embedding, TokenEmbedder, Tokenizer};
use rayon::prelude::*;
use rust_stemmers::{Algorithm, Stemmer};

/// Turns a text into its terms; a document and a query share a term when these are equal. Terms
/// hold no white space.
pub type Analyzer = fn(&str) -> Vec<String>;

/// The two constants of BM25.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parameters {
    /// How slowly a repeated term stops counting; 0 counts each term once.
    pub k1: f32,
    /// How much a long document is held against it, from 0 to 1.
    pub b: f32,
}

impl Default for Parameters {
    /// k1 = 0.9, b = 0.4, the defaults of Anserini and so of published BEIR baselines.
    fn default() -> Self {
        Self { k1: 0.9, b: 0.4 }
    }
}

/// An inverted index of a corpus, in memory.
///
/// `score(q, d) = Σ_{t ∈ q} idf(t) · tf / (tf + k1·(1 − b + b·|d| / avgdl))`,
/// `idf(t) = ln(1 + (N − df + ½) / (df + ½))`; a repeated query term counts each time.
///
/// The `bm25` crate computes each document's weights. Its own scorer walks all terms of every
/// candidate and takes about 10 ms a query over 20 000 abstracts; the posting lists here take a
/// hundredth of that.
///
/// # Source
/// Robertson & Zaragoza 2009, "The Probabilistic Relevance Framework", §3; Lucene's
/// `BM25Similarity` for the idf and for leaving out the constant factor k1 + 1. Document lengths
/// are exact (Lucene rounds them to a byte).
pub struct Bm25 {
    analyzer: Analyzer,
    term_ids: HashMap<String, usize>,
    /// Term → the documents that hold it, ascending, with the term's share of their scores.
    postings: Vec<Vec<(u32, f32)>>,
    n_documents: usize,
}

impl Bm25 {
    /// Indexes `documents`, which are afterwards known by their positions.
    ///
    /// # Panics
    /// If there are 2³² documents or more.
    #[track_caller]
    pub fn index<S: AsRef<str> + Sync>(
        documents: &[S],
        analyzer: Analyzer,
        parameters: Parameters,
    ) -> Self {
        assert!(u32::try_from(documents.len()).is_ok(), "Bm25: documents are numbered by u32");
        let analyzed: Vec<String> =
            documents.par_iter().map(|text| analyzer(text.as_ref()).join(" ")).collect();
        let analyzed: Vec<&str> = analyzed.iter().map(String::as_str).collect();
        let embedder: Embedder<Term, SplitTerms> =
            EmbedderBuilder::with_tokenizer_and_fit_to_corpus(SplitTerms, &analyzed)
                .k1(parameters.k1)
                .b(parameters.b)
                .build();
        let weights: Vec<Embedding<String>> =
            analyzed.par_iter().map(|terms| embedder.embed(terms)).collect();

        let mut term_ids = HashMap::new();
        let mut postings: Vec<Vec<(u32, f32)>> = Vec::new();
        for (document, weights) in (0..).zip(weights) {
            for weight in weights.0 {
                let next_id = term_ids.len();
                let id = *term_ids.entry(weight.index).or_insert(next_id);
                if id == next_id {
                    postings.push(Vec::new());
                }
                // The crate repeats a term's weight wherever the term occurs.
                if postings[id].last().is_none_or(|&(last, _)| last != document) {
                    postings[id].push((document, weight.value));
                }
            }
        }
        // The crate's weights carry Robertson's constant k1 + 1 and leave the idf to the scorer.
        for list in &mut postings {
            let df = list.len() as f32;
            let idf = (1.0 + (documents.len() as f32 - df + 0.5) / (df + 0.5)).ln();
            list.iter_mut().for_each(|(_, weight)| *weight *= idf / (parameters.k1 + 1.0));
        }
        Self { analyzer, term_ids, postings, n_documents: documents.len() }
    }

    /// The `k` best documents for `query` with their scores, best first, ties in the order of the
    /// corpus.
    ///
    /// Documents that share no term with the query are left out.
    pub fn search(&self, query: &str, k: usize) -> Vec<(usize, f32)> {
        let mut scores = vec![0.0; self.n_documents];
        let mut found = Vec::new();
        for term in (self.analyzer)(query) {
            let Some(&id) = self.term_ids.get(&term) else { continue };
            for &(document, weight) in &self.postings[id] {
                let score: &mut f32 = &mut scores[document as usize];
                if *score == 0.0 {
                    found.push(document as usize);
                }
                *score += weight;
            }
        }
        let mut found: Vec<(usize, f32)> = found.into_iter().map(|d| (d, scores[d])).collect();
        let best_first =
            |a: &(usize, f32), b: &(usize, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
        if k < found.len() {
            found.select_nth_unstable_by(k, best_first);
            found.truncate(k);
        }
        found.sort_unstable_by(best_first);
        found
    }

    /// [`Bm25::search`] for each of `queries`, on all cores.
    pub fn search_all<S: AsRef<str> + Sync>(
        &self,
        queries: &[S],
        k: usize,
    ) -> Vec<Vec<(usize, f32)>> {
        queries.par_iter().map(|query| self.search(query.as_ref(), k)).collect()
    }
}

/// The terms of English prose: runs of two or more letters and digits, in lower case, without
/// [`STOP_WORDS`], stemmed.
///
/// # Source
/// Runs and stop words as in bm25s's default; the stemmer is Snowball's English one (Porter 2001).
pub fn prose(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_alphanumeric()).filter_map(term).collect()
}

/// The terms of source code: as [`prose`], with identifiers cut into words
/// (`read_u32`, `readU32` and `ReadU32` → `read`, `u32`; `HTTPServer` → `http`, `server`).
pub fn code(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_alphanumeric()).flat_map(camel_case_words).filter_map(term).collect()
}

/// Words too frequent to tell documents apart: the 33 of Lucene's `EnglishAnalyzer`.
pub const STOP_WORDS: [&str; 33] = [
    "a", "an", "and", "are", "as", "at", "be", "but", "by", "for", "if", "in", "into", "is", "it",
    "no", "not", "of", "on", "or", "such", "that", "the", "their", "then", "there", "these",
    "they", "this", "to", "was", "will", "with",
];

/// The term that `word` stands for, if it is worth indexing.
fn term(word: &str) -> Option<String> {
    let word = word.to_lowercase();
    let is_single = word.chars().nth(1).is_none();
    if is_single || STOP_WORDS.contains(&word.as_str()) {
        return None;
    }
    Some(match Stemmer::create(Algorithm::English).stem(&word) {
        Cow::Borrowed(stem) => stem.to_owned(),
        Cow::Owned(stem) => stem,
    })
}

/// Cuts before an upper-case letter that follows a lower-case letter or digit, or that starts a new
/// word after an acronym.
fn camel_case_words(identifier: &str) -> Vec<&str> {
    let chars: Vec<(usize, char)> = identifier.char_indices().collect();
    let mut cuts = vec![0];
    for i in 1..chars.len() {
        let (at, this) = chars[i];
        let before = chars[i - 1].1;
        let ends_acronym = chars.get(i + 1).is_some_and(|&(_, next)| next.is_lowercase());
        if this.is_uppercase() && (!before.is_uppercase() || ends_acronym) {
            cuts.push(at);
        }
    }
    cuts.push(identifier.len());
    cuts.windows(2).map(|cut| &identifier[cut[0]..cut[1]]).collect()
}

/// Terms as strings: exact, where the crate's own embedding spaces hash and may collide.
struct Term;

impl TokenEmbedder for Term {
    type EmbeddingSpace = String;
    fn embed(term: &str) -> String {
        term.to_owned()
    }
}

/// Splits what an [`Analyzer`] has already analyzed.
struct SplitTerms;

impl Tokenizer for SplitTerms {
    fn tokenize(&self, analyzed: &str) -> Vec<String> {
        analyzed.split(' ').filter(|term| !term.is_empty()).map(str::to_owned).collect()
    }
}
