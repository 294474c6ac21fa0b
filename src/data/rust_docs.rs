//! Real text that every machine which built this project has: the documented items of its own
//! dependencies, as pairs of what the documentation says (query) and the code it is about
//! (passage).
//!
//! The pairing is that of cpt-code (Neelakantan et al. 2022, arXiv:2201.10005, §3.1: top-level
//! docstring and implementation), with the item's path as the passage's title.

mod items;
mod markdown;
mod sources;

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rayon::ThreadPoolBuilder;
use rayon::prelude::*;

pub use sources::{Package, default_cargo_home, locked_packages, packages_in};

/// A documented item of a Rust crate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The package's name, as on crates.io.
    pub crate_name: String,
    /// Where the item lives in its crate, `crate::module::Type::method`: the passage's title.
    pub path: String,
    /// The source file.
    pub file: PathBuf,
    /// The line on which the item begins, after its documentation and attributes; from 1.
    pub line: usize,
    /// The first paragraph of the documentation, without markup.
    pub query: String,
    /// The item's source without documentation and attributes, on one line, cut to about 1,200
    /// bytes.
    pub passage: String,
}

/// The pairs of many crates, split by crate: no crate has items on both sides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Corpus {
    /// The items to train on, in the order of packages, files and lines.
    pub train: Vec<Item>,
    /// The items of crates that training never sees, in the same order.
    pub heldout: Vec<Item>,
    /// Files left out because they are too large or no Rust that can be parsed.
    pub skipped_files: usize,
    /// How many packages were read.
    pub packages: usize,
}

/// Why there is no corpus.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder could not be read.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is no Cargo.lock.
    #[error("{path}: expected a Cargo.lock: {reason}")]
    LockFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The packages' sources are not where they were looked for, or hold no documented items.
    #[error(
        "expected {expected}, found none in {path}; name folders of Rust sources with --source"
    )]
    Nothing {
        /// What was looked for.
        expected: &'static str,
        /// Where.
        path: PathBuf,
    },
}

/// Larger files are generated tables and bindings.
const MAX_FILE_BYTES: usize = 1 << 20;

/// A shorter summary ("The error.") fits too many items.
const MIN_QUERY_WORDS: usize = 3;

/// Text that documents more items than this tells them apart no better than chance.
const MAX_SAME_QUERY: usize = 3;

/// Sentences that differ only in the names they quote ("Getter for the `x` field") are generated.
const MAX_SAME_TEMPLATE: usize = 10;

/// No crate gives more than this share of all items, so that bindings of one API cannot drown the
/// rest.
const MAX_CRATE_SHARE: f64 = 0.08;

/// The chance that a crate is held out, in percent.
const HELDOUT_PERCENT: u64 = 15;

/// Reads the documented items of `packages` on all cores and splits them by crate.
///
/// What belongs to which side depends on the crate's name alone, so that it stays when packages are
/// added. A training item whose query some held-out item has too is left out.
///
/// # Errors
/// [`Error::Io`] for a file that cannot be read, [`Error::Nothing`] if no package has a documented
/// item.
pub fn corpus(packages: &[Package]) -> Result<Corpus, Error> {
    let mut packages: Vec<&Package> = packages.iter().collect();
    packages.sort_by_key(|package| (&package.name, &package.sources));
    let mut files = Vec::new();
    for package in &packages {
        files.extend(
            sources::rust_files(&package.sources)?.into_iter().map(|file| (*package, file)),
        );
    }

    // The parser recurses as deep as the source nests; generated code nests deeper than the 2 MiB
    // that a thread has by default.
    let pool = ThreadPoolBuilder::new()
        .stack_size(16 << 20)
        .build()
        .expect("threads can be started, as rayon's own were");
    let read = |(package, file): &(&Package, PathBuf)| pairs_of(package, file);
    let parsed: Vec<Option<Vec<Pair>>> =
        pool.install(|| files.par_iter().map(read).collect::<Result<_, Error>>())?;

    let skipped_files = parsed.iter().filter(|items| items.is_none()).count();
    let items = limit_crates(distinct(parsed.into_iter().flatten().flatten().collect()));
    if items.is_empty() {
        let path = packages.first().map_or_else(PathBuf::new, |package| package.sources.clone());
        return Err(Error::Nothing { expected: "documented Rust items", path });
    }
    let (train, heldout) = split(items);
    Ok(Corpus { train, heldout, skipped_files, packages: packages.len() })
}

/// An item, and what its query has in common with those of a generator.
struct Pair {
    item: Item,
    template: String,
}

/// The documented items of one file, or `None` if it is skipped.
fn pairs_of(package: &Package, file: &Path) -> Result<Option<Vec<Pair>>, Error> {
    let bytes = fs::read(file).map_err(|source| Error::Io { path: file.to_owned(), source })?;
    let Ok(text) = String::from_utf8(bytes) else { return Ok(None) };
    if text.len() > MAX_FILE_BYTES {
        return Ok(None);
    }
    let Ok(documented) = items::documented(&text, &package.module_of(file)) else {
        return Ok(None);
    };
    let pairs = documented.into_iter().filter_map(|item| {
        let paragraph = markdown::first_paragraph(&item.documentation);
        let query = markdown::plain(&paragraph);
        let words = query.split_whitespace().filter(|word| word.contains(char::is_alphabetic));
        (words.count() >= MIN_QUERY_WORDS).then(|| Pair {
            template: markdown::template(&paragraph),
            item: Item {
                crate_name: package.name.clone(),
                path: item.path,
                file: file.to_owned(),
                line: item.line,
                query,
                passage: item.code,
            },
        })
    });
    Ok(Some(pairs.collect()))
}

/// Leaves out what a query cannot tell apart: a second version or copy of an item, and all items of
/// a query or template that more than [`MAX_SAME_QUERY`] or [`MAX_SAME_TEMPLATE`] of them share.
fn distinct(mut pairs: Vec<Pair>) -> Vec<Item> {
    let (mut paths, mut passages) = (HashSet::new(), HashSet::new());
    pairs.retain(|Pair { item, .. }| {
        let is_new_path = paths.insert((item.path.clone(), item.query.clone()));
        passages.insert((item.passage.clone(), item.query.clone())) && is_new_path
    });
    let (mut queries, mut templates) = (HashMap::new(), HashMap::new());
    for Pair { item, template } in &pairs {
        *queries.entry(item.query.clone()).or_insert(0) += 1;
        *templates.entry(template.clone()).or_insert(0) += 1;
    }
    pairs.retain(|Pair { item, template }| {
        queries[&item.query] <= MAX_SAME_QUERY && templates[template] <= MAX_SAME_TEMPLATE
    });
    pairs.into_iter().map(|pair| pair.item).collect()
}

/// Thins out crates that would exceed [`MAX_CRATE_SHARE`], evenly over their items.
fn limit_crates(items: Vec<Item>) -> Vec<Item> {
    let mut by_crate: HashMap<&str, Vec<usize>> = HashMap::new();
    for (i, item) in items.iter().enumerate() {
        by_crate.entry(&item.crate_name).or_default().push(i);
    }
    let limit = crate_limit(by_crate.values().map(Vec::len).collect());
    let mut kept = HashSet::new();
    for mut ids in by_crate.into_values() {
        ids.sort_by_key(|&i| (hash(&items[i].path), i));
        kept.extend(ids.into_iter().take(limit));
    }
    items.into_iter().enumerate().filter(|(i, _)| kept.contains(i)).map(|(_, item)| item).collect()
}

/// The most items a crate may give so that none exceeds its share of what is left.
///
/// With so few crates that an even split exceeds it, there is no limit.
fn crate_limit(counts: Vec<usize>) -> usize {
    if (counts.len() as f64) * MAX_CRATE_SHARE <= 1.0 {
        return usize::MAX;
    }
    let mut limit = usize::MAX;
    loop {
        let total: usize = counts.iter().map(|&count| count.min(limit)).sum();
        // Rounded up, or a handful of small crates would shrink to nothing.
        let next = (total as f64 * MAX_CRATE_SHARE).ceil() as usize;
        if next >= limit {
            return limit;
        }
        limit = next;
    }
}

/// Training and held-out items.
fn split(items: Vec<Item>) -> (Vec<Item>, Vec<Item>) {
    let names: HashSet<&str> = items.iter().map(|item| item.crate_name.as_str()).collect();
    let mut heldout: HashSet<String> = names
        .iter()
        .filter(|name| hash(name) % 100 < HELDOUT_PERCENT)
        .map(|name| (*name).to_owned())
        .collect();
    if heldout.is_empty() && names.len() > 1 {
        heldout.extend(names.iter().min_by_key(|name| hash(name)).map(|name| (*name).to_owned()));
    }
    let (heldout, mut train): (Vec<Item>, Vec<Item>) =
        items.into_iter().partition(|item| heldout.contains(&item.crate_name));
    let asked: HashSet<&str> = heldout.iter().map(|item| item.query.as_str()).collect();
    train.retain(|item| !asked.contains(item.query.as_str()));
    (train, heldout)
}

/// FNV-1a in 64 bits: the same on every machine and in every release, which std's hash is not.
///
/// # Source
/// Fowler, Noll & Vo, "The FNV Non-Cryptographic Hash Algorithm" (IETF draft), §2 and §5.
fn hash(text: &str) -> u64 {
    let mix = |hash: u64, &byte: &u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    text.as_bytes().iter().fold(0xcbf2_9ce4_8422_2325, mix)
}
