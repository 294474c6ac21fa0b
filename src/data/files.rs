//! Reading lines with their numbers, and writing files that are either whole or absent.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Write};
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

/// Writes `path` through a temporary file beside it: written, flushed to the disk, then renamed.
///
/// # Errors
/// [`Error::Io`]; what was at `path` before is then still there, and the temporary file is gone.
pub fn write_atomically(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> std::io::Result<()>,
) -> Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".tmp-{}", std::process::id()));
    let temporary = PathBuf::from(temporary);
    let written = (|| {
        let mut writer = BufWriter::with_capacity(1 << 18, File::create(&temporary)?);
        write(&mut writer)?;
        writer.flush()?;
        writer.get_ref().sync_all()?;
        fs::rename(&temporary, path)
    })();
    written.map_err(|source| {
        // The failure to report is the write's; a temporary file that was never made is fine.
        let _ = fs::remove_file(&temporary);
        Error::Io { path: path.into(), action: "write", source }
    })
}

/// Creates a directory and its parents.
pub(crate) fn create_dir(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(|source| Error::Io {
        path: path.into(),
        action: "create the directory",
        source,
    })
}
