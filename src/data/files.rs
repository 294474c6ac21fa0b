//! Reading lines with their numbers.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use super::error::{Error, Result};

/// Lines of a UTF-8 file with their numbers, from 1; `\n`, `\r\n` and a leading byte order mark are dropped.
#[derive(Debug)]
pub struct Lines {
    path: PathBuf,
    reader: BufReader<File>,
    number: u64,
}

impl Lines {
    /// Opens `path`.
    ///
    /// # Errors
    /// [`Error::Missing`] or [`Error::Io`].
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|e| Error::io(path, "read", e))?;
        Ok(Self { path: path.into(), reader: BufReader::with_capacity(1 << 18, file), number: 0 })
    }

    /// File the lines come from.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Iterator for Lines {
    type Item = Result<(u64, String)>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut bytes = Vec::new();
        match self.reader.read_until(b'\n', &mut bytes) {
            Ok(0) => return None,
            Ok(_) => self.number += 1,
            Err(e) => return Some(Err(Error::io(&self.path, "read", e))),
        }
        if bytes.ends_with(b"\n") {
            bytes.pop();
        }
        if bytes.ends_with(b"\r") {
            bytes.pop();
        }
        if self.number == 1 && bytes.starts_with(b"\xEF\xBB\xBF") {
            bytes.drain(..3);
        }
        Some(String::from_utf8(bytes).map(|text| (self.number, text)).map_err(|e| {
            let column = e.utf8_error().valid_up_to() + 1;
            let found = format!("a byte that is not UTF-8 at column {column}");
            Error::malformed(&self.path, self.number, "UTF-8 text", found)
        }))
    }
}

/// Creates a directory and its parents.
pub(crate) fn create_dir(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(|source| Error::Io {
        path: path.into(),
        action: "create the directory",
        source,
    })
}
