//! What can be wrong with a file or an id: one line that says where, what was expected, what was found, what to do.

use std::path::{Path, PathBuf};

/// Result of anything that reads data.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of the data, not of the program.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or directory is not there.
    #[error("{}: no such file or directory; expected {expected}", path.display())]
    Missing {
        /// Path that was asked for.
        path: PathBuf,
        /// What it should have been.
        expected: String,
    },
    /// A file or directory is there and holds nothing of use.
    #[error("{}: empty; expected {expected}", path.display())]
    Empty {
        /// Path that was read.
        path: PathBuf,
        /// What it should have held.
        expected: String,
    },
    /// A binary file ends too early.
    #[error("{}: truncated: expected {expected} bytes, found {found}; run `wgrad prepare` again", path.display())]
    Truncated {
        /// Path that was read.
        path: PathBuf,
        /// Bytes its header promises.
        expected: u64,
        /// Bytes it has.
        found: u64,
    },
    /// One line of a text file cannot be read as what the file should hold.
    #[error("{}:{line}: expected {expected}, found {found}", path.display())]
    Malformed {
        /// Path that was read.
        path: PathBuf,
        /// Line, counted from 1.
        line: u64,
        /// What the line should hold.
        expected: String,
        /// What it holds.
        found: String,
    },
    /// A file as a whole is not what was asked for.
    #[error("{}: expected {expected}, found {found}", path.display())]
    WrongFormat {
        /// Path that was read.
        path: PathBuf,
        /// What the file should be.
        expected: String,
        /// What it is, and what to do.
        found: String,
    },
    /// A token id that the model has no row for.
    #[error(
        "{example}: token id {id} is outside the model's vocabulary of {vocab_size}; use the tokenizer the model was trained with"
    )]
    IdOutOfRange {
        /// The id.
        id: u32,
        /// Rows of the model's embedding table.
        vocab_size: usize,
        /// Which example holds it.
        example: String,
    },
    /// The operating system refused.
    #[error("{}: cannot {action}: {source}", path.display())]
    Io {
        /// Path that was used.
        path: PathBuf,
        /// What was being done.
        action: &'static str,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A file could not be written; the reason names it.
    #[error("cannot write {0}")]
    Write(#[from] std::io::Error),
}

impl Error {
    /// Names the file in a system error; a file that is absent becomes [`Error::Missing`].
    pub(crate) fn io(path: &Path, action: &'static str, source: std::io::Error) -> Self {
        if source.kind() == std::io::ErrorKind::NotFound {
            Self::Missing { path: path.into(), expected: format!("a path to {action}") }
        } else {
            Self::Io { path: path.into(), action, source }
        }
    }

    pub(crate) fn malformed(
        path: &Path,
        line: u64,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        Self::Malformed { path: path.into(), line, expected: expected.into(), found: found.into() }
    }
}

/// Shortens what a line holds to something that fits in one line of a message.
pub(crate) fn excerpt(text: &str) -> String {
    let mut short: String = text.chars().take(60).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("`{}`", short.escape_debug())
}
