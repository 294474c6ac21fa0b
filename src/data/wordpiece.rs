//! Learns a WordPiece vocabulary from text, the same one from the same text every time.
//!
//! The trainer of `tokenizers` gives ids in the order of a hash map that is seeded anew in each process, and breaks
//! ties by those ids: two runs differ. Here words and letters are sorted first, and ties go to the smaller pair.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap};
use std::path::Path;

use rayon::prelude::*;

use super::error::{Error, Result};
use super::tokenizer::{SPECIAL_TOKENS, Tokenizer};

/// Letters kept; a word with a rarer one becomes `[UNK]`. The default of `tokenizers`' `BertWordPieceTokenizer.train`.
const ALPHABET_LIMIT: usize = 1000;
/// A pair seen once is not worth a token; the default of the same function.
const MIN_PAIR_COUNT: i64 = 2;
/// Lines counted at a time.
const CHUNK: usize = 4096;

/// How far training has come.
#[derive(Clone, Copy, Debug)]
pub enum Progress {
    /// Lines read so far.
    Counting {
        /// Lines.
        lines: usize,
    },
    /// Tokens found so far.
    Merging {
        /// Tokens found.
        done: usize,
        /// Tokens wanted.
        total: usize,
    },
}

/// Trains a BERT-uncased WordPiece tokenizer: `[PAD] [UNK] [CLS] [SEP] [MASK]` are ids 0 to 4, then letters, then
/// the pairs of pieces seen most often, merged one after the other, until there are `vocab_size` tokens or no
/// pair is seen twice.
///
/// # Errors
/// The first error among `lines`; [`Error::Empty`] if they hold no word; [`Error::WrongFormat`] if `vocab_size` has no
/// room for the special tokens and the letters.
///
/// # Source
/// Sennrich et al. 2016, arXiv:1508.07909, algorithm 1, with `##` on every piece that does not start a word, which
/// is what `tokenizers`' `WordPieceTrainer` does.
pub fn train_wordpiece(
    lines: impl IntoIterator<Item = Result<String>>,
    vocab_size: usize,
    mut progress: impl FnMut(Progress),
) -> Result<Tokenizer> {
    let origin = Path::new("the training text");
    let counts = count_words(lines, &mut progress)?;
    if counts.is_empty() {
        return Err(Error::Empty { path: origin.into(), expected: "at least one word".into() });
    }
    let mut merger = Merger::new(counts);
    if merger.tokens.len() > vocab_size {
        return Err(Error::WrongFormat {
            path: origin.into(),
            expected: format!("a vocabulary size of at least {}", merger.tokens.len()),
            found: format!("{vocab_size}; the special tokens and single letters need that many"),
        });
    }
    while merger.tokens.len() < vocab_size && merger.merge_most_frequent() {
        if merger.tokens.len().is_multiple_of(512) {
            progress(Progress::Merging { done: merger.tokens.len(), total: vocab_size });
        }
    }
    Tokenizer::uncased(&merger.tokens, origin)
}

/// Counts words on all cores; sorted, so that nothing after depends on the order of a hash map.
fn count_words(
    lines: impl IntoIterator<Item = Result<String>>,
    progress: &mut impl FnMut(Progress),
) -> Result<BTreeMap<String, i64>> {
    let specials = SPECIAL_TOKENS.map(str::to_owned);
    let splitter = Tokenizer::uncased(&specials, Path::new("the special tokens"))?;
    let mut counts = BTreeMap::new();
    let mut lines = lines.into_iter();
    let mut read = 0;
    loop {
        let chunk: Vec<String> = lines.by_ref().take(CHUNK).collect::<Result<_>>()?;
        if chunk.is_empty() {
            return Ok(counts);
        }
        read += chunk.len();
        let counted = chunk
            .par_iter()
            .fold(HashMap::<String, i64>::new, |mut counts, line| {
                for word in splitter.words(line) {
                    *counts.entry(word).or_default() += 1;
                }
                counts
            })
            .collect::<Vec<_>>();
        for (word, count) in counted.into_iter().flatten() {
            *counts.entry(word).or_default() += count;
        }
        progress(Progress::Counting { lines: read });
    }
}

type Pair = (u32, u32);

/// Words as pieces, and how often each pair of neighbouring pieces occurs.
struct Merger {
    tokens: Vec<String>,
    ids: HashMap<String, u32>,
    words: Vec<(Vec<u32>, i64)>,
    pairs: HashMap<Pair, Occurrences>,
    /// Most frequent first, then smallest pair. A count here may be stale; `pairs` has the true one.
    queue: BinaryHeap<(i64, Reverse<Pair>)>,
}

#[derive(Default)]
struct Occurrences {
    count: i64,
    /// Words that hold the pair, or did: a word is never missing here.
    words: Vec<u32>,
}

impl Merger {
    fn new(counts: BTreeMap<String, i64>) -> Self {
        let mut letters = BTreeMap::<char, i64>::new();
        for (word, count) in &counts {
            for letter in word.chars() {
                *letters.entry(letter).or_default() += count;
            }
        }
        let mut by_count: Vec<(char, i64)> = letters.into_iter().collect();
        by_count.sort_by_key(|&(letter, count)| (Reverse(count), letter));
        by_count.truncate(ALPHABET_LIMIT);
        let alphabet: BTreeSet<char> = by_count.into_iter().map(|(letter, _)| letter).collect();

        let kept: Vec<(&String, i64)> = counts
            .iter()
            .filter(|(word, _)| word.chars().all(|letter| alphabet.contains(&letter)))
            .map(|(word, &count)| (word, count))
            .collect();
        let inside: BTreeSet<char> =
            kept.iter().flat_map(|(word, _)| word.chars().skip(1)).collect();
        let tokens: Vec<String> = (SPECIAL_TOKENS.map(str::to_owned).into_iter())
            .chain(alphabet.iter().map(char::to_string))
            .chain(inside.iter().map(|letter| format!("##{letter}")))
            .collect();
        let ids: HashMap<String, u32> = (0..).zip(&tokens).map(|(id, t)| (t.clone(), id)).collect();
        let pieces = |word: &str| -> Vec<u32> {
            let first = |(at, letter): (usize, char)| match at {
                0 => ids[&letter.to_string()],
                _ => ids[&format!("##{letter}")],
            };
            word.chars().enumerate().map(first).collect()
        };
        let words = kept.into_iter().map(|(word, count)| (pieces(word), count)).collect();
        let mut merger =
            Self { tokens, ids, words, pairs: HashMap::new(), queue: BinaryHeap::new() };
        for word in 0..merger.words.len() as u32 {
            merger.count_pairs_of(word, 1);
        }
        merger.queue = merger.pairs.iter().map(|(&pair, o)| (o.count, Reverse(pair))).collect();
        merger
    }

    /// Makes one token of the pair seen most often. False when no pair is seen often enough.
    fn merge_most_frequent(&mut self) -> bool {
        while let Some((count, Reverse(pair))) = self.queue.pop() {
            let now = self.pairs[&pair].count;
            if now != count {
                if now > 0 && now < count {
                    self.queue.push((now, Reverse(pair)));
                }
                continue;
            }
            if count < MIN_PAIR_COUNT {
                return false;
            }
            self.merge(pair);
            return true;
        }
        false
    }

    fn merge(&mut self, pair: Pair) {
        let (left, right) = (&self.tokens[pair.0 as usize], &self.tokens[pair.1 as usize]);
        let joined = format!("{left}{}", right.strip_prefix("##").unwrap_or(right));
        // Two pairs may join to the same text (`ab` + `##c`, `a` + `##bc`): they share its token.
        let token = *self.ids.entry(joined).or_insert_with_key(|joined| {
            self.tokens.push(joined.clone());
            self.tokens.len() as u32 - 1
        });
        let occurrences = self.pairs.get_mut(&pair).expect("the queue holds counted pairs");
        let mut holders = std::mem::take(&mut occurrences.words);
        holders.sort_unstable();
        holders.dedup();
        let mut touched = BTreeSet::new();
        for word in holders {
            self.count_pairs_of(word, -1);
            let pieces = &mut self.words[word as usize].0;
            let (mut read, mut write) = (0, 0);
            while read < pieces.len() {
                let found = pieces.get(read..read + 2) == Some(&[pair.0, pair.1]);
                pieces[write] = if found { token } else { pieces[read] };
                read += if found { 2 } else { 1 };
                write += 1;
            }
            pieces.truncate(write);
            self.count_pairs_of(word, 1);
            let pieces = &self.words[word as usize].0;
            touched.extend(pieces.windows(2).map(|p| (p[0], p[1])));
        }
        for pair in touched {
            self.queue.push((self.pairs[&pair].count, Reverse(pair)));
        }
    }

    fn count_pairs_of(&mut self, word: u32, sign: i64) {
        let (pieces, count) = &self.words[word as usize];
        for pair in pieces.windows(2) {
            let occurrences = self.pairs.entry((pair[0], pair[1])).or_default();
            occurrences.count += sign * count;
            if sign > 0 && occurrences.words.last() != Some(&word) {
                occurrences.words.push(word);
            }
        }
    }
}
