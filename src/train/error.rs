//! What can go wrong around a run folder, each as one line that says what to do.

use std::io;
use std::path::{Path, PathBuf};

/// A failure of the run folder, its files or its recipe.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused a file operation.
    #[error("{}: cannot {action}: {source}", path.display())]
    Io {
        /// What was attempted, as a verb phrase: "create the folder".
        action: &'static str,
        /// What it was attempted on.
        path: PathBuf,
        /// What the operating system answered.
        source: io::Error,
    },
    /// Another process holds the run folder.
    #[error(
        "{}: this run folder is in use by {holder}; wait until that run ends, stop it, or choose another --out",
        path.display()
    )]
    Locked {
        /// The run folder.
        path: PathBuf,
        /// The process that holds it, as far as known.
        holder: String,
    },
    /// A new run was asked for where files already are.
    #[error(
        "{}: expected an empty folder for a new run, found {found}; continue that run with --resume, or choose another --out",
        path.display()
    )]
    NotEmpty {
        /// The run folder.
        path: PathBuf,
        /// The name of something that lies in it.
        found: String,
    },
    /// A run was to be continued where there is none.
    #[error("{}: expected a run folder to resume, found {found}; start the run without --resume", path.display())]
    NoRun {
        /// The folder named by the caller.
        path: PathBuf,
        /// What is there instead.
        found: String,
    },
    /// A run was to be continued, and each of its checkpoints is damaged.
    #[error(
        "{}: expected an intact checkpoint to resume from, found {found}; put a whole one back from a copy, or start another run with another --out (nothing was removed)",
        path.display()
    )]
    Damaged {
        /// The folder of the checkpoints.
        path: PathBuf,
        /// What is wrong with each.
        found: String,
    },
    /// A line of a text file cannot be read.
    #[error("{}:{line}: {problem}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What was expected and what was found.
        problem: String,
    },
    /// A setting is unknown, has the wrong type or lies outside its range.
    #[error("{0}")]
    Setting(String),
    /// A chart could not be drawn.
    #[error("cannot draw the chart: {0}")]
    Chart(String),
}

impl Error {
    /// Wraps an [`io::Error`] with the path and the attempted action, for `map_err`.
    pub(crate) fn io(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { action, path, source }
    }
}
