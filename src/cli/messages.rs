//! What the library logs, as lines on stderr.

use log::{Level, LevelFilter, Log, Metadata, Record};

/// Prints the records of wgrad's own crates; those of others, such as a GPU driver's advice, are none of the user's business.
struct Messages;

/// Shows warnings from now on and, unless `quiet`, what is only told.
pub fn show(quiet: bool) {
    // Somebody who calls `main` from a program of their own may have set a logger, which then stays.
    if log::set_logger(&Messages).is_ok() {
        log::set_max_level(if quiet { LevelFilter::Warn } else { LevelFilter::Info });
    }
}

impl Log for Messages {
    fn enabled(&self, metadata: &Metadata) -> bool {
        let root = metadata.target().split("::").next().unwrap_or_default();
        metadata.level() <= log::max_level() && (root == "wgrad" || root.starts_with("wgrad_"))
    }

    fn log(&self, record: &Record) {
        if !self.enabled(record.metadata()) {
            return;
        }
        match record.level() {
            Level::Error => eprintln!("error: {}", record.args()),
            Level::Warn => eprintln!("warning: {}", record.args()),
            _ => eprintln!("{}", record.args()),
        }
    }

    fn flush(&self) {}
}
