//! Run folders: what is in them, and when two of them are equal.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use wgrad::train::metrics::{self, Record};

/// How long a run may take to write its next line on a machine under load.
const PATIENCE: Duration = Duration::from_secs(120);

/// Checks that two runs of `steps` steps ended alike: the model, weights, moments and state of the last checkpoint,
/// and all metrics but the clock.
pub fn assert_equal(left: &Path, right: &Path, steps: u64) {
    for part in ["model".to_string(), format!("checkpoints/step-{steps}")] {
        let (l, r) = (files(&left.join(&part)), files(&right.join(&part)));
        assert!(l.keys().eq(r.keys()), "{part}: {:?} and {:?}", l.keys(), r.keys());
        let differs = l.iter().find(|(name, bytes)| r[*name] != **bytes);
        let shown = differs.map(|(name, _)| name);
        assert_eq!(shown, None, "of {part} in {} and {}", left.display(), right.display());
    }
    let (l, r) = (records(left), records(right));
    assert_eq!(l, r, "metrics of {} and {}", left.display(), right.display());
    assert_eq!(last_step(left), steps, "the last step in {}", left.display());
}

/// The metrics of a run without the clock.
pub fn records(run: &Path) -> Vec<String> {
    let records = metrics::read(&run.join("metrics.jsonl")).expect("a run has metrics");
    // As text, because NaN is not equal to itself.
    records.into_iter().map(|record| Record::without_clock(record).to_json()).collect()
}

/// The last step of which the metrics tell; 0 without any.
pub fn last_step(run: &Path) -> u64 {
    let records = metrics::read(&run.join("metrics.jsonl")).unwrap_or_default();
    records.last().map_or(0, |record| record.step)
}

/// The names in `checkpoints/`, sorted by step.
pub fn checkpoints(run: &Path) -> Vec<u64> {
    let entries = fs::read_dir(run.join("checkpoints")).expect("a run has checkpoints");
    let step = |entry: std::io::Result<fs::DirEntry>| {
        let name = entry.expect("the folder is readable").file_name();
        let name = name.to_string_lossy().into_owned();
        let step = name.strip_prefix("step-").and_then(|step| step.parse().ok());
        step.unwrap_or_else(|| panic!("{name} is left among the checkpoints"))
    };
    let mut steps: Vec<u64> = entries.map(step).collect();
    steps.sort_unstable();
    steps
}

/// Every file under `folder` with its bytes, by relative path.
pub fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let entries = fs::read_dir(folder);
    for entry in entries.unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let entry = entry.expect("the folder is readable");
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_dir() {
            let inner = files(&entry.path()).into_iter();
            found.extend(inner.map(|(inner, bytes)| (format!("{name}/{inner}"), bytes)));
        } else {
            found.insert(name, fs::read(entry.path()).expect("the file is readable"));
        }
    }
    found
}

/// Starts `command` and waits until its run folder tells of `step`; the process still runs then.
///
/// # Panics
/// If the process ends before.
pub fn start_until(command: &mut Command, run: &Path, step: u64) -> Child {
    let process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut process = process.expect("the binary was built with this test");
    let start = Instant::now();
    loop {
        // Lines that an earlier process left do not count: resuming cuts them off first.
        let own = fs::read_to_string(run.join(".lock")).unwrap_or_default();
        if own == process.id().to_string() && last_step(run) >= step {
            return process;
        }
        let ended = process.try_wait().expect("the process can be asked");
        assert!(ended.is_none(), "{command:?} ended with {ended:?} before step {step}");
        assert!(start.elapsed() < PATIENCE, "{command:?} did not reach step {step}");
        sleep(Duration::from_millis(1));
    }
}
