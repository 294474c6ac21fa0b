//! What a run was asked to do: settings from a TOML file, from flags and from `--set`, read by type.
//!
//! A recipe is flat: `learning_rate = 1e-4`. A flag beats the file, `--set` beats both. The program reads a
//! setting by name with its default, and by that the recipe learns which keys exist: [`Recipe::finish`]
//! reports those nobody asked for, and [`Recipe::to_toml`] writes every one that was read.

mod setting;

use std::collections::BTreeMap;
use std::ops::RangeBounds;
use std::path::{Path, PathBuf};

use toml::{Spanned, Value};

pub use self::setting::Setting;
use super::Error;

/// Settings by key, and which of them were read.
#[derive(Clone, Debug, Default)]
pub struct Recipe {
    entries: BTreeMap<String, Entry>,
    /// What each read key came out as, in the order of reading; `None` for an optional key left out.
    read: Vec<(String, Option<Value>, Source)>,
}

#[derive(Clone, Debug)]
struct Entry {
    value: Value,
    source: Source,
}

/// Settings that say one thing in two ways: a flag or `--set` of one takes the place of the other in the file.
const PAIRS: [[&str; 2]; 2] = [["steps", "epochs"], ["init", "config"]];

/// Where a setting comes from, as an error names it.
#[derive(Clone, Debug, PartialEq)]
enum Source {
    Default,
    File {
        path: PathBuf,
        line: usize,
    },
    Flag,
    /// With the text after `=` as it was typed.
    Set(String),
}

impl Recipe {
    /// Reads a recipe file.
    ///
    /// # Errors
    /// [`Error::Malformed`] with the line for what is no TOML or is no flat table, [`Error::Io`] if the
    /// file cannot be read.
    pub fn from_file(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(Error::io(path, "read the recipe"))?;
        let line_at = |offset: usize| 1 + text[..offset].matches('\n').count();
        let malformed = |offset: usize, problem: String| Error::Malformed {
            path: path.to_path_buf(),
            line: line_at(offset),
            problem,
        };
        let table: BTreeMap<String, Spanned<Value>> = toml::from_str(&text).map_err(|error| {
            let offset = error.span().map_or(0, |span| span.start);
            malformed(offset, error.message().replace('\n', "; "))
        })?;
        let mut recipe = Self::default();
        for (key, value) in table {
            let offset = value.span().start;
            let value = value.into_inner();
            if value.is_table() {
                let problem =
                    format!("expected a value for `{key}`, found a table; recipes are flat");
                return Err(malformed(offset, problem));
            }
            let source = Source::File { path: path.to_path_buf(), line: line_at(offset) };
            if recipe.entries.contains_key(&normalized(&key)) {
                return Err(malformed(offset, format!("`{}` is given twice", normalized(&key))));
            }
            recipe.entries.insert(normalized(&key), Entry { value, source });
        }
        Ok(recipe)
    }

    /// Overrides `key` by the value of a flag, if the flag was given, and takes the key away that says the same otherwise:
    /// `--steps` also beats `epochs` of the file.
    pub fn flag<T: Setting>(&mut self, key: &str, value: Option<T>) {
        if let Some(value) = value {
            let entry = Entry { value: value.to_toml(), source: Source::Flag };
            self.replace(normalized(key), entry);
        }
    }

    /// Overrides a key by a `key=value` of `--set`, whose value is TOML or, failing that, plain text. The
    /// last one counts where a key is set twice.
    ///
    /// # Errors
    /// [`Error::Setting`] if there is no `=` or no key.
    pub fn set(&mut self, assignment: &str) -> Result<(), Error> {
        let (key, text) = match assignment.split_once('=') {
            Some((key, text)) if !key.trim().is_empty() => (normalized(key.trim()), text.trim()),
            _ => {
                let problem = format!("--set {assignment}: expected key=value");
                return Err(Error::Setting(problem));
            }
        };
        let parsed = toml::from_str::<BTreeMap<String, Value>>(&format!("value = {text}"));
        let value = match parsed.ok().and_then(|mut table| table.remove("value")) {
            Some(value) => value,
            None => Value::String(text.to_string()),
        };
        self.replace(key, Entry { value, source: Source::Set(text.to_string()) });
        Ok(())
    }

    /// Returns the setting `key`, or `default` where it is not given.
    ///
    /// # Errors
    /// [`Error::Setting`] if the value is not of type `T`.
    pub fn get<T: Setting>(&mut self, key: &str, default: T) -> Result<T, Error> {
        match self.given(key)? {
            Some(value) => Ok(value),
            None => {
                self.read.push((key.to_string(), Some(default.to_toml()), Source::Default));
                Ok(default)
            }
        }
    }

    /// Returns the setting `key` as [`get`](Self::get) does, and refuses what lies outside `accepted`, which
    /// `bounds` words: "a probability below 1".
    ///
    /// # Errors
    /// [`Error::Setting`] if the value is not of type `T` or not in the range.
    pub fn get_in<T: Setting + PartialOrd>(
        &mut self,
        key: &str,
        default: T,
        accepted: impl RangeBounds<T>,
        bounds: &str,
    ) -> Result<T, Error> {
        let value = self.get(key, default)?;
        if accepted.contains(&value) { Ok(value) } else { Err(self.unexpected(key, bounds)) }
    }

    /// Returns the setting `key` if it is given.
    ///
    /// # Errors
    /// [`Error::Setting`] if the value is not of type `T`.
    pub fn optional<T: Setting>(&mut self, key: &str) -> Result<Option<T>, Error> {
        let value = self.given(key)?;
        if value.is_none() {
            self.read.push((key.to_string(), None, Source::Default));
        }
        Ok(value)
    }

    /// Returns the setting `key`, which has no default.
    ///
    /// # Errors
    /// [`Error::Setting`] if it is not given or the value is not of type `T`.
    pub fn required<T: Setting>(&mut self, key: &str) -> Result<T, Error> {
        self.optional(key)?.ok_or_else(|| {
            let flag = key.replace('_', "-");
            Error::Setting(format!(
                "`{key}` is not given; pass --{flag}, or put it into the recipe"
            ))
        })
    }

    /// Returns which of `choices` the setting `key` names, or `default` where it is not given.
    ///
    /// # Errors
    /// [`Error::Setting`] if it names none of them, with the closest.
    ///
    /// # Panics
    /// If `default` is none of `choices`.
    pub fn choice<'a>(
        &mut self,
        key: &str,
        choices: &[&'a str],
        default: &'a str,
    ) -> Result<&'a str, Error> {
        assert!(choices.contains(&default), "choice {key}: the default {default} is no choice");
        let value = self.get(key, default.to_string())?;
        match choices.iter().find(|&&choice| choice == value) {
            Some(choice) => Ok(choice),
            None => Err(self.unexpected(key, &format!("one of {}", choices.join(", ")))),
        }
    }

    /// Checks that every key that was given has been read. Call when all settings are read.
    ///
    /// # Errors
    /// [`Error::Setting`] with every unknown key, where it stands, and the closest known one.
    pub fn finish(&self) -> Result<(), Error> {
        let known: Vec<&str> = self.read.iter().map(|(key, _, _)| key.as_str()).collect();
        let unknown = self.entries.iter().filter(|(key, _)| !known.contains(&key.as_str()));
        let problems: Vec<String> = unknown
            .map(|(key, entry)| {
                let place = describe(key, &entry.source);
                match closest(key, &known) {
                    Some(known) => format!("{place} is no setting here; did you mean `{known}`?"),
                    None => format!("{place} is no setting here; known are {}", known.join(", ")),
                }
            })
            .collect();
        if problems.is_empty() { Ok(()) } else { Err(Error::Setting(problems.join("; "))) }
    }

    /// Checks that a run with the recipe at `path` can go on by this one: `keys` are as they were.
    ///
    /// # Errors
    /// [`Error::Setting`] with the first key that changed, and as [`Self::from_file`].
    pub fn continues(&self, path: &Path, keys: &[&str]) -> Result<(), Error> {
        let former = Self::from_file(path)?;
        for &key in keys {
            let was = former.entries.get(key).map(|entry| &entry.value);
            let is =
                self.read.iter().find(|(read, ..)| read == key).and_then(|(_, is, _)| is.as_ref());
            if let (Some(was), Some(is)) = (was, is)
                && was != is
            {
                let place = path.display();
                return Err(Error::Setting(format!(
                    "{place}: expected `{key}` to stay {was}, found {is}; leave it out, or start another run"
                )));
            }
        }
        Ok(())
    }

    /// Writes every setting that was read, defaults too, in the order of reading: a recipe that gives the same
    /// run again. `title` becomes the comment at its head.
    pub fn to_toml(&self, title: &str) -> String {
        let mut text = title.lines().map(|line| format!("# {line}\n")).collect::<String>();
        let mut written: Vec<&str> = Vec::new();
        for (key, value, source) in &self.read {
            let Some(value) = value else { continue };
            if written.contains(&key.as_str()) {
                continue;
            }
            written.push(key);
            let note = if *source == Source::Default { "  # default" } else { "" };
            let value = match value {
                // `1e-12` rather than twelve zeros.
                Value::Float(number) if number.is_finite() => format!("{number:?}"),
                other => other.to_string(),
            };
            text.push_str(&format!("{key} = {value}{note}\n"));
        }
        text
    }

    fn replace(&mut self, key: String, entry: Entry) {
        for [one, other] in PAIRS {
            if key == one {
                self.entries.remove(other);
            } else if key == other {
                self.entries.remove(one);
            }
        }
        self.entries.insert(key, entry);
    }

    /// Reads `key` where it is given, and notes that it was read.
    fn given<T: Setting>(&mut self, key: &str) -> Result<Option<T>, Error> {
        let Some(entry) = self.entries.get(key) else {
            return Ok(None);
        };
        let typed = match &entry.source {
            // `--set out=2024` means a name to whoever asks for text, and a number to whoever asks for one.
            Source::Set(text) => {
                T::from_toml(&entry.value).or_else(|| T::from_toml(&Value::String(text.clone())))
            }
            _ => T::from_toml(&entry.value),
        };
        let Some(typed) = typed else {
            return Err(self.unexpected(key, T::EXPECTED));
        };
        self.read.push((key.to_string(), Some(typed.to_toml()), entry.source.clone()));
        Ok(Some(typed))
    }

    fn unexpected(&self, key: &str, expected: &str) -> Error {
        let Some(entry) = self.entries.get(key) else {
            return Error::Setting(format!("`{key}`: the default is not {expected}"));
        };
        let mut problem =
            format!("{}: expected {expected}, found {}", describe(key, &entry.source), entry.value);
        if let (Value::String(found), Some(choices)) =
            (&entry.value, expected.strip_prefix("one of "))
        {
            let choices: Vec<&str> = choices.split(", ").collect();
            if let Some(choice) = closest(found, &choices) {
                problem.push_str(&format!("; did you mean `{choice}`?"));
            }
        }
        Error::Setting(problem)
    }
}

/// The key with the place it was given at.
fn describe(key: &str, source: &Source) -> String {
    match source {
        Source::Default => format!("`{key}`"),
        Source::File { path, line } => format!("{}:{line}: `{key}`", path.display()),
        Source::Flag => format!("--{}", key.replace('_', "-")),
        Source::Set(text) => format!("--set {key}={text}"),
    }
}

/// The nearest of `known` by edits, if near enough to be what was meant.
fn closest<'a>(key: &str, known: &[&'a str]) -> Option<&'a str> {
    let near = |other: &&str| strsim::damerau_levenshtein(key, other);
    let best = known.iter().copied().min_by_key(near)?;
    (near(&best) <= 2 + key.len() / 4).then_some(best)
}

/// Keys are written with `_`; `-`, as in flags, is taken too.
fn normalized(key: &str) -> String {
    key.replace('-', "_")
}
