//! The folder of one training run: what lies where, who may write, and what survives a kill.
//!
//! ```text
//! RUN/
//!   model/               the latest weights, loadable
//!   checkpoints/step-N/  everything needed to go on after step N, and manifest.json
//!   metrics.jsonl        one line a record
//!   tensorboard/         the same numbers as event files
//!   loss.svg             the same numbers as a picture
//!   recipe.toml          everything needed to run again
//!   .lock                held while a process writes here
//! ```

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Error, metrics};
use crate::data::atomic;

/// How many checkpoints a run keeps unless told otherwise: the newest, and one in case it is damaged.
pub const DEFAULT_CHECKPOINTS_KEPT: usize = 2;

const CHECKPOINTS: &str = "checkpoints";
const LOCK: &str = ".lock";
const MANIFEST: &str = "manifest.json";
const METRICS: &str = "metrics.jsonl";
const RECIPE: &str = "recipe.toml";

/// A run folder, locked for this process until dropped. The operating system frees the lock when a
/// process dies, however it dies.
#[derive(Debug)]
pub struct RunFolder {
    root: PathBuf,
    checkpoints_kept: usize,
    /// Held, never read: closing it frees the lock.
    _lock: File,
}

/// A checkpoint whose files are all there at their full length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// How many steps had been taken.
    pub step: u64,
    /// The directory the payload was written to.
    pub path: PathBuf,
}

/// What a complete checkpoint holds; written last, so a copy that broke off is noticed.
#[derive(Deserialize, Serialize)]
struct Manifest {
    step: u64,
    /// Bytes by path relative to the checkpoint, `/` between names.
    files: BTreeMap<String, u64>,
}

impl RunFolder {
    /// Opens `root` for a new run; creates it where it does not exist.
    ///
    /// # Errors
    /// [`Error::NotEmpty`] if anything lies there, [`Error::Locked`] if another process holds it,
    /// [`Error::Io`] otherwise.
    pub fn create(root: &Path) -> Result<Self, Error> {
        fs::create_dir_all(root).map_err(Error::io(root, "create the run folder"))?;
        let refuse_content = || match content(root)?.into_iter().next() {
            None => Ok(()),
            Some(found) => Err(Error::NotEmpty { path: root.to_path_buf(), found }),
        };
        // A folder that no run ever locked is somebody else's: look before putting anything into it.
        if !root.join(LOCK).exists() {
            refuse_content()?;
        }
        let folder = Self::lock(root)?;
        refuse_content()?;
        fs::create_dir_all(folder.checkpoints())
            .map_err(Error::io(root, "create the run folder"))?;
        Ok(folder)
    }

    /// Opens `root` to continue the run in it, and clears away what a killed process left half-written.
    ///
    /// # Errors
    /// [`Error::NoRun`] if no run was started there, [`Error::Locked`] if another process holds it,
    /// [`Error::Io`] otherwise.
    pub fn resume(root: &Path) -> Result<Self, Error> {
        let no_run =
            |found: &str| Error::NoRun { path: root.to_path_buf(), found: found.to_string() };
        if !root.is_dir() {
            return Err(no_run(if root.exists() { "a file" } else { "nothing" }));
        }
        if !root.join(RECIPE).exists() && !root.join(CHECKPOINTS).exists() {
            return Err(no_run("neither recipe.toml nor checkpoints/"));
        }
        let folder = Self::lock(root)?;
        for directory in [folder.root.clone(), folder.checkpoints()] {
            atomic::recover_directory(&directory)
                .map_err(Error::io(&directory, "clear away an interrupted write"))?;
        }
        Ok(folder)
    }

    /// Keeps the newest `count` checkpoints, at least one, and removes older ones after each save.
    pub fn keep_checkpoints(&mut self, count: usize) {
        self.checkpoints_kept = count.max(1);
    }

    /// Returns the folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns where the latest model lies.
    pub fn model(&self) -> PathBuf {
        self.root.join("model")
    }

    /// Returns where the metrics lie, one JSON object a line.
    pub fn metrics(&self) -> PathBuf {
        self.root.join(METRICS)
    }

    /// Returns where TensorBoard's event files lie.
    pub fn tensorboard(&self) -> PathBuf {
        self.root.join("tensorboard")
    }

    /// Returns where the loss curves are drawn.
    pub fn loss_chart(&self) -> PathBuf {
        self.root.join("loss.svg")
    }

    /// Returns where the recipe lies.
    pub fn recipe(&self) -> PathBuf {
        self.root.join(RECIPE)
    }

    /// Returns where the checkpoint after `step` steps lies, or would.
    pub fn checkpoint(&self, step: u64) -> PathBuf {
        self.checkpoints().join(format!("step-{step}"))
    }

    /// Replaces the recipe.
    ///
    /// # Errors
    /// [`Error::Io`]; the former recipe is then still in place.
    pub fn write_recipe(&self, text: &str) -> Result<(), Error> {
        let path = self.recipe();
        atomic::write_file(&path, text.as_bytes()).map_err(Error::io(&path, "write the recipe"))
    }

    /// Replaces `model/` by what `fill` writes into the directory it is handed.
    ///
    /// # Errors
    /// Whatever `fill` or the file system answers; the former model is then still in place.
    pub fn save_model<E: From<io::Error>>(
        &self,
        fill: impl FnOnce(&Path) -> Result<(), E>,
    ) -> Result<(), E> {
        atomic::write_directory(&self.model(), fill)
    }

    /// Writes `checkpoints/step-N/` for N = `step`, then removes the oldest beyond the number kept.
    ///
    /// # Errors
    /// Whatever `fill` or the file system answers; every former checkpoint is then still in place.
    pub fn save_checkpoint<E: From<io::Error>>(
        &self,
        step: u64,
        fill: impl FnOnce(&Path) -> Result<(), E>,
    ) -> Result<(), E> {
        fs::create_dir_all(self.checkpoints())?;
        let path = self.checkpoint(step);
        atomic::write_directory(&path, |directory| {
            fill(directory)?;
            let manifest = Manifest { step, files: file_lengths(directory)? };
            let manifest = serde_json::to_vec_pretty(&manifest).map_err(io::Error::other)?;
            fs::write(directory.join(MANIFEST), manifest)?;
            Ok::<(), E>(())
        })?;
        for (_, outdated) in self.numbered_checkpoints()?.into_iter().skip(self.checkpoints_kept) {
            atomic::remove_directory(&outdated)?;
        }
        Ok(())
    }

    /// Finds the newest intact checkpoint; `None` if none was written yet. Warns of each damaged one that it passes over.
    ///
    /// # Errors
    /// [`Error::Damaged`] if there are checkpoints and none is intact, [`Error::Io`] if the folder cannot be listed.
    pub fn latest_checkpoint(&self) -> Result<Option<Checkpoint>, Error> {
        let listed = self.numbered_checkpoints();
        let mut damages = Vec::new();
        for (step, path) in listed.map_err(Error::io(&self.root, "list the checkpoints"))? {
            let Some(damage) = damage(step, &path) else {
                for (path, damage) in damages {
                    log::warn!("passed over the checkpoint {path}: {damage}");
                }
                return Ok(Some(Checkpoint { step, path }));
            };
            damages.push((path.display().to_string(), damage));
        }
        if damages.is_empty() {
            return Ok(None);
        }
        let found = damages.iter().map(|(path, damage)| format!("{path}: {damage}"));
        Err(Error::Damaged {
            path: self.checkpoints(),
            found: found.collect::<Vec<_>>().join("; "),
        })
    }

    /// Brings the folder back to where it was after `step` steps, to go on from there: cuts later lines off
    /// `metrics.jsonl` (and one that a kill left half-written), and removes later checkpoints.
    ///
    /// # Errors
    /// [`Error::Malformed`] if a complete line of the metrics cannot be read, [`Error::Io`] otherwise.
    pub fn rewind(&self, step: u64) -> Result<(), Error> {
        metrics::truncate_after(&self.metrics(), step)?;
        let listed = self.numbered_checkpoints();
        for (later, path) in listed.map_err(Error::io(&self.root, "list the checkpoints"))? {
            if later > step {
                atomic::remove_directory(&path)
                    .map_err(Error::io(&path, "remove a later checkpoint"))?;
            }
        }
        Ok(())
    }

    fn lock(root: &Path) -> Result<Self, Error> {
        let path = root.join(LOCK);
        let mut options = File::options();
        let mut lock = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false) // the holder's process id must survive a failed attempt
            .open(&path)
            .map_err(Error::io(&path, "open the lock"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut process = String::new();
                // Windows refuses to read a locked file: then the holder stays unnamed.
                let holder = match lock.read_to_string(&mut process) {
                    Ok(1..) => format!("process {}", process.trim()),
                    _ => "another process".to_string(),
                };
                return Err(Error::Locked { path: root.to_path_buf(), holder });
            }
            Err(TryLockError::Error(error)) => {
                return Err(Error::io(&path, "take the lock")(error));
            }
        }
        lock.set_len(0)
            .and_then(|()| lock.write_all(std::process::id().to_string().as_bytes()))
            .map_err(Error::io(&path, "write the lock"))?;
        Ok(Self {
            root: root.to_path_buf(),
            checkpoints_kept: DEFAULT_CHECKPOINTS_KEPT,
            _lock: lock,
        })
    }

    fn checkpoints(&self) -> PathBuf {
        self.root.join(CHECKPOINTS)
    }

    /// Every `step-N` directory, newest first, intact or not.
    fn numbered_checkpoints(&self) -> io::Result<Vec<(u64, PathBuf)>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(self.checkpoints())? {
            let path = entry?.path();
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
            let step = name.as_deref().and_then(|n| n.strip_prefix("step-")?.parse::<u64>().ok());
            found.extend(step.map(|step| (step, path)));
        }
        found.sort_by(|(a, _), (b, _)| b.cmp(a));
        Ok(found)
    }
}

/// What lies in `root` beside the lock and an empty `checkpoints/`, sorted.
fn content(root: &Path) -> Result<Vec<String>, Error> {
    let list = |directory: &Path| -> io::Result<Vec<String>> {
        let entries = fs::read_dir(directory)?;
        entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    };
    let all = || {
        let mut names = list(root)?;
        names.retain(|name| name != LOCK);
        if let Some(index) = names.iter().position(|name| name == CHECKPOINTS) {
            names.swap_remove(index);
            let checkpoints = list(&root.join(CHECKPOINTS))?;
            names.extend(checkpoints.iter().map(|name| format!("{CHECKPOINTS}/{name}")));
        }
        names.sort();
        Ok(names)
    };
    all().map_err(Error::io(root, "list the folder"))
}

/// Says what is wrong with the checkpoint at `path`, if anything.
fn damage(step: u64, path: &Path) -> Option<String> {
    let manifest = match fs::read(path.join(MANIFEST)) {
        Ok(bytes) => bytes,
        Err(error) => return Some(format!("{MANIFEST}: {error}")),
    };
    let manifest: Manifest = match serde_json::from_slice(&manifest) {
        Ok(manifest) => manifest,
        Err(error) => return Some(format!("{MANIFEST}: {error}")),
    };
    if manifest.step != step {
        return Some(format!("{MANIFEST} names step {}, the folder step {step}", manifest.step));
    }
    manifest.files.iter().find_map(|(name, &expected)| match fs::metadata(path.join(name)) {
        Ok(found) if found.len() == expected => None,
        Ok(found) => Some(format!("{name} has {} bytes, expected {expected}", found.len())),
        Err(error) => Some(format!("{name}: {error}")),
    })
}

/// The length in bytes of every file under `directory`, by relative path.
fn file_lengths(directory: &Path) -> io::Result<BTreeMap<String, u64>> {
    let mut lengths = BTreeMap::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_dir() {
            let inner = file_lengths(&entry.path())?.into_iter();
            lengths.extend(inner.map(|(inner, length)| (format!("{name}/{inner}"), length)));
        } else {
            lengths.insert(name, entry.metadata()?.len());
        }
    }
    Ok(lengths)
}
