//! Files and directories that appear at their path whole, or not at all.
//!
//! A write goes to a temporary sibling `.NAME.PID-N.partial`, is flushed to the disk, and is then
//! renamed; readers see the old content or the new one. A directory that exists steps aside as
//! `.NAME.aside` for the moment between two renames, and [`recover`] undoes that moment after a crash.
//!
//! Two processes that write one path at once do no harm to the file: the later one to begin removes
//! the temporary of the earlier, whose rename then fails. Callers that want to exclude this hold a lock.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Replaces the file at `path` by `bytes`.
///
/// # Errors
/// As [`write_file_with`]; every message names `path`.
pub fn write_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_file_with(path, |file| file.write_all(bytes))
}

/// Replaces the file at `path` by what `fill` writes. A link is followed: the file it leads to is replaced. What is no file
/// (`/dev/null`, a pipe) stays what it is and takes the bytes as they come.
///
/// # Errors
/// Whatever `fill` or the file system answers, with `path` in the message. The old content of `path` is
/// untouched and the temporary is gone.
pub fn write_file_with(
    path: &Path,
    fill: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> io::Result<()> {
    // Not `drop`: a failed flush, such as on a full disk, must be seen.
    let filled = |file: File| {
        let mut file = BufWriter::with_capacity(1 << 18, file);
        fill(&mut file)?;
        file.into_inner().map_err(io::IntoInnerError::into_error)
    };
    if is_special(path) {
        let opened = File::options().write(true).open(path);
        return opened.and_then(filled).map(drop).map_err(naming(path));
    }
    let path = &followed(path);
    recover(path)?;
    let temporary = temporary_sibling(path)?;
    let written = (|| {
        filled(File::create_new(&temporary)?)?.sync_all()?;
        fs::rename(&temporary, path)?;
        sync_directory(parent_of(path))
    })();
    if written.is_err() {
        // The first error is the one to report; the file may not even have been created.
        let _ = fs::remove_file(&temporary);
    }
    written.map_err(naming(path))
}

/// Checks that [`write_file`] could begin: there is a folder for `path` that takes files.
///
/// # Errors
/// What is in the way. Nothing is left behind.
pub fn check_writable(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "a folder is there"));
    }
    if is_special(path) {
        return Ok(()); // to open a pipe would wait for its reader
    }
    let temporary = temporary_sibling(&followed(path))?;
    File::create_new(&temporary)?;
    fs::remove_file(&temporary)
}

/// Removes the file that [`write_file`] would replace, if there is one; a link to it stays.
///
/// # Errors
/// If the file system refuses.
pub fn remove_file(path: &Path) -> io::Result<()> {
    let path = &followed(path);
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(naming(path)(error)),
        _ => Ok(()),
    }
}

/// Does something stand at `path` that is no file: a device, a pipe, a directory?
pub fn is_special(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| !found.is_file())
}

/// Replaces the directory at `path` by what `fill` puts into the empty directory it is handed.
///
/// # Errors
/// Whatever `fill` answers, or the file system, then with `path` in the message. The old directory is
/// untouched and the temporary is gone.
pub fn write_directory<E: From<io::Error>>(
    path: &Path,
    fill: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<(), E> {
    recover(path)?;
    let temporary = temporary_sibling(path)?;
    let written = (|| {
        fs::create_dir(&temporary).map_err(naming(path))?;
        fill(&temporary)?;
        sync_tree(&temporary).map_err(naming(path))?;
        Ok(swap_directory(&temporary, path).map_err(naming(path))?)
    })();
    if written.is_err() {
        // The first error is the one to report; the directory may not even have been created.
        let _ = fs::remove_dir_all(&temporary);
    }
    written
}

/// Removes the directory at `path`: it is gone at once, or still whole, whatever interrupts.
///
/// # Errors
/// If the file system refuses.
pub fn remove_directory(path: &Path) -> io::Result<()> {
    let temporary = temporary_sibling(path)?;
    fs::rename(path, &temporary).map_err(naming(path))?;
    remove(&temporary)
}

/// Undoes what a killed write of `path` left behind: puts a directory that had stepped aside back, and
/// removes temporaries. Does nothing where nothing was left.
///
/// # Errors
/// If a leftover cannot be removed or renamed.
pub fn recover(path: &Path) -> io::Result<()> {
    let name = file_name_of(path)?.to_string_lossy().into_owned();
    let prefix = format!(".{name}.");
    recover_where(parent_of(path), |leftover| {
        // `.model.bin.12-0.partial` belongs to `model.bin`, not to `model`: what lies between
        // prefix and suffix must be PID-N.
        leftover.strip_prefix(&prefix).is_some_and(|rest| {
            rest == "aside" || rest.strip_suffix(".partial").is_some_and(is_process_and_count)
        })
    })
}

/// Does what [`recover`] does, for every path in `directory`, which need not exist.
///
/// # Errors
/// If a leftover cannot be removed or renamed.
pub fn recover_directory(directory: &Path) -> io::Result<()> {
    recover_where(directory, |_| true)
}

fn recover_where(directory: &Path, wanted: impl Fn(&str) -> bool) -> io::Result<()> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(naming(directory)(error)),
    };
    for entry in entries {
        let entry = entry.map_err(naming(directory))?;
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if !name.starts_with('.') || !wanted(&name) {
            continue;
        }
        let is_partial = name
            .strip_suffix(".partial")
            .and_then(|rest| rest.rsplit_once('.'))
            .is_some_and(|(_, writer)| is_process_and_count(writer));
        if is_partial {
            remove(&path)?;
        } else if let Some(original) = name.strip_prefix('.').and_then(|n| n.strip_suffix(".aside"))
        {
            let original = directory.join(original);
            // Both renames done: the new directory counts. Only the first: the old one comes back.
            if original.exists() {
                remove(&path)?;
            } else {
                fs::rename(&path, &original).map_err(naming(&original))?;
                sync_directory(directory)?;
            }
        }
    }
    Ok(())
}

/// Is this the `PID-N` that [`temporary_sibling`] puts into a name?
fn is_process_and_count(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    text.split_once('-').is_some_and(|(process, count)| digits(process) && digits(count))
}

fn temporary_sibling(path: &Path) -> io::Result<PathBuf> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let mut name = OsString::from(".");
    name.push(file_name_of(path)?);
    name.push(format!(".{}-{count}.partial", std::process::id()));
    Ok(parent_of(path).join(name))
}

/// Puts `temporary` at `path`, where a directory may be.
fn swap_directory(temporary: &Path, path: &Path) -> io::Result<()> {
    let parent = parent_of(path);
    if !path.exists() {
        fs::rename(temporary, path)?;
        return sync_directory(parent);
    }
    let mut aside = OsString::from(".");
    aside.push(file_name_of(path)?);
    aside.push(".aside");
    let aside = parent.join(aside);
    fs::rename(path, &aside)?;
    if let Err(error) = fs::rename(temporary, path) {
        fs::rename(&aside, path)?;
        return Err(error);
    }
    sync_directory(parent)?;
    fs::remove_dir_all(&aside)
}

/// Flushes every file and directory under `directory`, and `directory` itself, to the disk.
fn sync_tree(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            sync_tree(&path)?;
        } else {
            // Opened for writing because Windows flushes no handle that only reads.
            File::options().append(true).open(&path)?.sync_all()?;
        }
    }
    sync_directory(directory)
}

/// Makes the names in `directory` durable. Only Unix opens directories as files; NTFS journals names.
fn sync_directory(directory: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(directory)?.sync_all() } else { Ok(()) }
}

fn remove(path: &Path) -> io::Result<()> {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    removed.map_err(naming(path))
}

/// Where the link at `path` leads, or `path` itself.
fn followed(path: &Path) -> PathBuf {
    if path.is_symlink() { fs::canonicalize(path).unwrap_or(path.into()) } else { path.into() }
}

/// The directory that holds `path`: `.` for a bare name.
pub(crate) fn parent_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn file_name_of(path: &Path) -> io::Result<&std::ffi::OsStr> {
    path.file_name().ok_or_else(|| {
        let problem = format!("{}: expected a path that ends in a name", path.display());
        io::Error::new(io::ErrorKind::InvalidInput, problem)
    })
}

/// Puts `path` in front of what the operating system says.
pub(crate) fn naming(path: &Path) -> impl FnOnce(io::Error) -> io::Error {
    let path = path.display().to_string();
    move |error| io::Error::new(error.kind(), format!("{path}: {error}"))
}
