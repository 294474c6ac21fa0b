//! Everything of `wgrad::train` that needs no tensor.

mod chart;
mod measures;
mod metrics;
mod progress;
mod recipe;
mod run_folder;
mod verdict;

use std::path::Path;
use std::process::Command;

/// Names the folder a child process works in; a test that is a child's body does nothing without it.
pub const CHILD_FOLDER: &str = "WGRAD_TEST_CHILD_FOLDER";

/// The command that runs one test of this binary in a process of its own, working in `folder`.
pub fn child(test: &str, folder: &Path) -> Command {
    let binary = std::env::current_exe().expect("a running test has a binary");
    let mut command = Command::new(binary);
    command.args(["--exact", test, "--nocapture"]).env(CHILD_FOLDER, folder);
    command
}

/// The names in `folder`, sorted.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("the folder exists");
    let name = |entry: std::io::Result<std::fs::DirEntry>| {
        entry.expect("the folder is readable").file_name().to_string_lossy().into_owned()
    };
    let mut names: Vec<String> = entries.map(name).collect();
    names.sort();
    names
}
