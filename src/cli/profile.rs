//! What `--profile` prints and writes.

use serde_json::json;
use wgrad_engine::Device;
use wgrad_engine::device::Profile;

use super::{Failure, Global};
use crate::data::atomic;

/// Rows of the table.
const ROWS: usize = 20;

/// Prints where the time went and writes the trace, if asked to.
pub fn finish(global: &Global, device: &Device) -> Result<(), Failure> {
    show(global, &device.take_profile())
}

/// Prints a profile and writes its trace, if asked to.
pub fn show(global: &Global, profile: &Profile) -> Result<(), Failure> {
    let Some(path) = &global.profile else { return Ok(()) };
    if profile.events.is_empty() {
        global.say("nothing was timed: this adapter has no timestamps");
        return Ok(());
    }
    let total: f64 = profile.events.iter().map(|event| event.duration).sum();
    eprintln!(
        "{:<38} {:>7} {:>9} {:>6} {:>9} {:>7}",
        "kernel", "runs", "ms", "%", "GFLOP/s", "GB/s"
    );
    for row in profile.rows().iter().take(ROWS) {
        eprintln!(
            "{:<38} {:>7} {:>9.1} {:>6.1} {:>9.1} {:>7.1}",
            row.kernel,
            row.count,
            1e3 * row.seconds,
            100.0 * row.seconds / total,
            row.gflops,
            row.gbytes_per_second
        );
    }
    let events: Vec<_> = profile
        .events
        .iter()
        .map(|event| {
            json!({
                "name": event.kernel, "ph": "X", "pid": 0, "tid": 0,
                "ts": 1e6 * event.start, "dur": 1e6 * event.duration,
                "args": {"flops": event.flops, "words": event.words},
            })
        })
        .collect();
    let trace = serde_json::to_vec(&json!({"traceEvents": events}))?;
    atomic::write_file(path, &trace)?;
    eprintln!("trace in {} (open it in chrome://tracing or ui.perfetto.dev)", path.display());
    Ok(())
}
