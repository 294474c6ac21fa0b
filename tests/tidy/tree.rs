//! The text files of a repository, read from the disk or made up, and an offence found in one.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;

/// Text by path relative to the root, `/` between names.
#[derive(Debug, Default)]
pub struct Tree {
    pub files: BTreeMap<String, String>,
}

/// Something that must change.
#[derive(Debug)]
pub struct Offence {
    pub path: String,
    /// Counted from 1.
    pub line: usize,
    /// What is wrong and what to do about it.
    pub what: String,
}

/// What people write; everything else in the repository is data.
const TEXT: [&str; 6] = ["md", "py", "rs", "sh", "toml", "wgsl"];

impl Tree {
    /// Reads this repository.
    pub fn of_repository() -> Self {
        let mut tree = Self::default();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        tree.read(root, "");
        assert!(tree.files.contains_key(super::tables::DOCUMENT), "{} is missing", root.display());
        tree
    }

    /// Makes a tree out of (path, text).
    pub fn made_up<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let owned = |(path, text): (&str, &str)| (path.to_string(), text.to_string());
        Self { files: files.into_iter().map(owned).collect() }
    }

    /// The files under `folder` whose name ends in `.extension`.
    pub fn files<'a>(
        &'a self,
        folder: &'a str,
        extension: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a str)> {
        let wanted = move |path: &str| {
            path.starts_with(folder)
                && path.rsplit_once('.').is_some_and(|(_, found)| found == extension)
        };
        self.files
            .iter()
            .filter(move |(path, _)| wanted(path))
            .map(|(p, t)| (p.as_str(), t.as_str()))
    }

    fn read(&mut self, folder: &Path, prefix: &str) {
        for entry in fs::read_dir(folder).expect("the repository is readable") {
            let entry = entry.expect("the repository is readable");
            let name = entry.file_name().to_string_lossy().into_owned();
            let (path, relative) = (entry.path(), format!("{prefix}{name}"));
            let is_built = prefix.is_empty() && (name == "target" || name == "runs");
            if name.starts_with('.') || is_built {
                continue;
            }
            if path.is_dir() {
                self.read(&path, &format!("{relative}/"));
            } else if TEXT.iter().any(|&text| path.extension().is_some_and(|found| found == text)) {
                let text = fs::read_to_string(&path)
                    .unwrap_or_else(|error| panic!("{relative}: expected UTF-8 text: {error}"));
                self.files.insert(relative, text);
            }
        }
    }
}

impl Offence {
    pub fn new(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self { path: path.to_string(), line, what: what.into() }
    }
}

impl fmt::Display for Offence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

/// Fails unless the offences are exactly those expected, each given as `path:line: ` and a part of the text.
#[track_caller]
pub fn assert_offences(found: &[Offence], expected: &[(&str, &str)]) {
    let found: Vec<String> = found.iter().map(ToString::to_string).collect();
    let agree = found.len() == expected.len()
        && found.iter().zip(expected).all(|(found, (place, part))| {
            found.starts_with(&format!("{place}: ")) && found.contains(part)
        });
    assert!(agree, "found:\n{}\nexpected:\n{expected:#?}", found.join("\n"));
}
