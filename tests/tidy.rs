//! tidy: what the compiler cannot keep. Each check reads its table out of docs/ARCHITECTURE.md and reports
//! every offence at once; each has a test of its own on a made-up tree that it must refuse.

mod arrows;
mod confined;
mod headers;
mod lengths;
mod orphans;
mod paths;
mod places;
mod tables;
mod tree;
mod words;

use tree::{Offence, Tree};

/// Runs `check` over the repository and fails with everything it found.
fn holds(check: impl Fn(&Tree) -> Vec<Offence>) {
    let offences = check(&Tree::of_repository());
    let lines: Vec<String> = offences.iter().map(ToString::to_string).collect();
    assert!(offences.is_empty(), "{} offences:\n{}", lines.len(), lines.join("\n"));
}

#[test]
fn crates_name_only_the_crates_below_them() {
    holds(arrows::crates);
}

#[test]
fn modules_name_only_the_modules_below_them() {
    holds(arrows::modules);
}

#[test]
fn each_confined_name_stands_in_its_place() {
    holds(confined::check);
}

#[test]
fn each_stem_has_its_places() {
    holds(places::check);
}

#[test]
fn each_shader_opens_with_its_header() {
    holds(headers::check);
}

#[test]
fn files_are_short() {
    holds(lengths::check);
}

#[test]
fn each_rust_file_is_compiled() {
    holds(orphans::check);
}

#[test]
fn nothing_is_left_undone() {
    holds(words::check);
}
