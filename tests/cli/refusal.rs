//! What every refusal has in common: one line, the right exit status, and nothing left at the final path.

use super::runs::files;
use super::world::World;

/// The `--out` of every command that is to be refused.
pub const OUT: &str = "--out refused/out";

/// What a run folder may hold after a refusal: nothing that a person would take for a result.
const HARMLESS: [&str; 1] = ["out/.lock"];

/// Checks that `wgrad LINE --out refused/out` fails with one `error:` line that holds every part of `expected`.
#[track_caller]
pub fn refused(world: &World, line: &str, expected: &[&str]) {
    std::fs::create_dir_all(world.path("refused")).expect("the temporary folder is writable");
    let quiet = if line.contains("--quiet") { "" } else { "--quiet" };
    let ended = world.run(&format!("{line} {OUT} {quiet}"));
    let (stdout, stderr) = (&ended.stdout, &ended.stderr);
    assert_eq!(ended.code, Some(1), "wgrad {line}\n{stdout}{stderr}");
    assert!(stdout.is_empty(), "wgrad {line} printed {stdout:?}");
    let is_one_line = stderr.starts_with("error: ") && stderr.lines().count() == 1;
    assert!(is_one_line, "wgrad {line}: expected one error line, found\n{stderr}");
    for part in expected {
        assert!(stderr.contains(part), "wgrad {line}: expected {part:?} in\n{stderr}");
    }
    let mut left: Vec<String> = files(&world.path("refused")).into_keys().collect();
    left.retain(|name| !HARMLESS.contains(&name.as_str()));
    assert!(left.is_empty(), "wgrad {line} left {left:?}");
    std::fs::remove_dir_all(world.path("refused")).expect("the temporary folder is writable");
}

/// Checks that the flags of `wgrad LINE` are refused with exit status 2 and a message that holds `expected`.
#[track_caller]
pub fn misused(world: &World, line: &str, expected: &str) {
    let ended = world.run(line);
    assert_eq!(ended.code, Some(2), "wgrad {line}\n{}", ended.stderr);
    let named = ended.stderr.starts_with("error: ") && ended.stderr.contains(expected);
    assert!(named, "wgrad {line}: expected {expected:?} in\n{}", ended.stderr);
    assert!(ended.stdout.is_empty(), "wgrad {line} printed {:?}", ended.stdout);
}
