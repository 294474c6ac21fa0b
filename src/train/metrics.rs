//! What a run measured, one JSON object a line, and the same numbers for TensorBoard.
//!
//! A training line is `{"step":…,"tokens":…,"seconds":…,"learning_rate":…,"loss":…,"loss_encoder":…}`. Tokens and seconds
//! are those of all steps so far, those of earlier sessions included where a run was resumed.
//! An evaluation line has the step and what was evaluated: `{"step":…,"heldout_loss":…,"heldout_loss_encoder":…}`
//! or `{"step":…,"probe_mrr@10":…}`. A value that is not finite is `null`.
//!
//! Two runs with one seed on one device write the same lines but for [`CLOCK_FIELDS`], which tell the time;
//! [`Record::without_clock`] leaves those out. Event files carry the time in each event and are not compared.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde_json::Value;

use super::Error;
use super::tensorboard::EventWriter;
use crate::data::atomic;

/// The fields that measure wall-clock time: the only ones that differ between two equal runs.
pub const CLOCK_FIELDS: [&str; 2] = ["seconds", "tokens_per_second"];

/// The numbers of one line.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// How many steps had been taken.
    pub step: u64,
    /// Named values, in the order of writing.
    pub values: Vec<(String, f64)>,
}

impl Record {
    /// Starts a record of what held after `step` steps.
    pub fn new(step: u64) -> Self {
        Self { step, values: Vec::new() }
    }

    /// Adds a value.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<f64>) -> Self {
        self.values.push((name.to_string(), value.into()));
        self
    }

    /// Returns the value called `name`.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.values.iter().find(|(found, _)| found == name).map(|&(_, value)| value)
    }

    /// Returns the record without [`CLOCK_FIELDS`]: equal for equal runs.
    #[must_use]
    pub fn without_clock(mut self) -> Self {
        self.values.retain(|(name, _)| !CLOCK_FIELDS.contains(&name.as_str()));
        self
    }

    /// Writes the record as one line of JSON, without the line break.
    pub fn to_json(&self) -> String {
        let mut line = format!("{{\"step\":{}", self.step);
        for (name, value) in &self.values {
            line.push_str(&format!(",{}:{}", Value::from(name.as_str()), number(*value)));
        }
        line.push('}');
        line
    }

    /// Reads one line of JSON; values that are `null` become NaN.
    fn from_json(line: &str) -> Result<Self, String> {
        let fields: serde_json::Map<String, Value> = serde_json::from_str(line)
            .map_err(|error| format!("expected a JSON object: {error}"))?;
        let mut record =
            Self::new(fields.get("step").and_then(Value::as_u64).ok_or("expected a field `step`")?);
        for (name, value) in fields.iter().filter(|(name, _)| *name != "step") {
            let value = if value.is_null() { Some(f64::NAN) } else { value.as_f64() };
            let value = value.ok_or_else(|| format!("expected a number for `{name}`"))?;
            record.values.push((name.clone(), value));
        }
        Ok(record)
    }
}

/// Appends records to `metrics.jsonl` and to a TensorBoard event file.
#[derive(Debug)]
pub struct Metrics {
    lines: File,
    path: PathBuf,
    /// Bytes of complete lines.
    length: u64,
    events: EventWriter,
}

impl Metrics {
    /// Opens both for a run that has taken `after_step` steps, 0 for a new one. Call
    /// [`RunFolder::rewind`](super::run_folder::RunFolder::rewind) first when resuming.
    ///
    /// # Errors
    /// [`Error::Io`] if either cannot be opened.
    pub fn open(
        path: &Path,
        tensorboard: &Path,
        after_step: u64,
        now: SystemTime,
    ) -> Result<Self, Error> {
        let opened = File::options().append(true).create(true).open(path);
        let lines = opened.map_err(Error::io(path, "open the metrics"))?;
        let length = lines.metadata().map_err(Error::io(path, "open the metrics"))?.len();
        let events = EventWriter::start(tensorboard, after_step, now)?;
        Ok(Self { lines, path: path.to_path_buf(), length, events })
    }

    /// Appends `record` to both, dated `now`. A line is in the file, whole, when this returns.
    ///
    /// # Errors
    /// [`Error::Io`]; a line of which only a part could be written is taken back.
    pub fn append(&mut self, record: &Record, now: SystemTime) -> Result<(), Error> {
        let line = record.to_json() + "\n";
        if let Err(error) = self.lines.write_all(line.as_bytes()) {
            // Should this fail too, reading drops the unfinished line.
            let _ = self.lines.set_len(self.length);
            return Err(Error::io(&self.path, "append to the metrics")(error));
        }
        self.length += line.len() as u64;
        let values = record.values.iter().map(|(name, value)| (name.as_str(), *value));
        self.events.scalars(record.step, now, values)
    }

    /// Flushes the lines to the disk. Call before a checkpoint: resuming from it relies on them.
    ///
    /// # Errors
    /// [`Error::Io`] if the disk does not take them.
    pub fn sync(&self) -> Result<(), Error> {
        self.lines.sync_all().map_err(Error::io(&self.path, "flush the metrics"))
    }
}

/// Reads every record of `path`; an unfinished last line, which a kill leaves, is dropped.
///
/// # Errors
/// [`Error::Malformed`] with the line that cannot be read, [`Error::Io`] if the file cannot.
pub fn read(path: &Path) -> Result<Vec<Record>, Error> {
    let text = fs::read_to_string(path).map_err(Error::io(path, "read the metrics"))?;
    Ok(complete_lines(path, &text)?.into_iter().map(|(_, record)| record).collect())
}

/// Cuts off the lines after `step`, and an unfinished last one. Does nothing where there is no file.
///
/// # Errors
/// As [`read`]; the file is then untouched.
pub fn truncate_after(path: &Path, step: u64) -> Result<(), Error> {
    if !path.exists() {
        return Ok(());
    }
    let text = fs::read_to_string(path).map_err(Error::io(path, "read the metrics"))?;
    let kept: String = complete_lines(path, &text)?
        .into_iter()
        .filter(|(_, record)| record.step <= step)
        .map(|(line, _)| line)
        .collect();
    if kept != text {
        atomic::write_file(path, kept.as_bytes())
            .map_err(Error::io(path, "rewrite the metrics"))?;
    }
    Ok(())
}

/// Every line that ends in a line break, with its record.
fn complete_lines<'a>(path: &Path, text: &'a str) -> Result<Vec<(&'a str, Record)>, Error> {
    let lines = text.split_inclusive('\n').filter(|line| line.ends_with('\n')).enumerate();
    lines
        .map(|(index, line)| match Record::from_json(line) {
            Ok(record) => Ok((line, record)),
            Err(problem) => {
                Err(Error::Malformed { path: path.to_path_buf(), line: index + 1, problem })
            }
        })
        .collect()
}

/// The shortest decimal that reads back as `value`, at the precision `value` has: a loss that was an f32
/// is `0.3`, not `0.30000001192092896`.
fn number(value: f64) -> String {
    const EXACT_INTEGERS: f64 = 9_007_199_254_740_992.0; // 2^53
    if !value.is_finite() {
        "null".to_string()
    } else if value.fract() == 0.0 && value.abs() < EXACT_INTEGERS {
        format!("{}", value as i64)
    } else if f64::from(value as f32) == value {
        format!("{:?}", value as f32)
    } else {
        format!("{value:?}")
    }
}
