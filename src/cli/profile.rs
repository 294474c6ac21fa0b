//! What `--profile` prints and writes.

use std::io::{self, Write};

use serde_json::json;
use wgrad_engine::Device;
use wgrad_engine::device::{Event, Profile};

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
    if profile.events().is_empty() {
        global.say("nothing was timed: this adapter has no timestamps");
        return Ok(());
    }
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
            100.0 * row.seconds / profile.seconds(),
            row.gflops,
            row.gbytes_per_second
        );
    }
    atomic::write_file_with(path, |file| write_trace(file, profile.events()))?;
    eprintln!("trace in {} (open it in chrome://tracing or ui.perfetto.dev)", path.display());
    if profile.left_out() > 0 {
        eprintln!("the last {} runs are in the table, not in the trace", profile.left_out());
    }
    Ok(())
}

/// The events one by one: a tree of them all would take more memory than a training.
fn write_trace(file: &mut impl Write, events: &[Event]) -> io::Result<()> {
    file.write_all(b"{\"traceEvents\":[")?;
    for (at, event) in events.iter().enumerate() {
        let Event { stem, entry, start, duration, flops, words } = event;
        file.write_all(if at == 0 { b"\n" } else { b",\n" })?;
        let event = json!({
            "name": format!("{stem}.{entry}"), "ph": "X", "pid": 0, "tid": 0,
            "ts": 1e6 * start, "dur": 1e6 * duration, "args": {"flops": flops, "words": words},
        });
        serde_json::to_writer(&mut *file, &event)?;
    }
    file.write_all(b"\n]}\n")
}
