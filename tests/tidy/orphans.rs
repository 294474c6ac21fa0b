//! A Rust file that no `mod` declares is never compiled, and a test in it never runs.

use super::paths::paths;
use super::tree::{Offence, Tree, assert_offences};

/// Files that cargo finds by itself or by a manifest.
const ROOTS: [&str; 4] = ["lib.rs", "main.rs", "build.rs", "mod.rs"];

/// Every Rust file is declared by the file above it.
pub fn check(tree: &Tree) -> Vec<Offence> {
    let mut offences = Vec::new();
    for (path, _) in tree.files("", "rs") {
        let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
        let is_root = ROOTS[..3].contains(&file) || found_by_cargo(folder);
        if is_root {
            continue;
        }
        // `a/b/mod.rs` is the module b of the folder a.
        let (folder, name) = match file {
            "mod.rs" => folder.rsplit_once('/').unwrap_or(("", folder)),
            _ => (folder, file.trim_end_matches(".rs")),
        };
        let above = ROOTS.map(|root| format!("{folder}/{root}"));
        let mut above: Vec<String> = above.into_iter().chain([format!("{folder}.rs")]).collect();
        above.retain(|candidate| tree.files.contains_key(candidate) && candidate != path);
        // A top-level folder without a root file is taken in by `#[path]`, if at all.
        if above.is_empty() && !folder.contains('/') {
            continue;
        }
        if !above.iter().any(|candidate| declares(candidate, &tree.files[candidate], name)) {
            let above =
                if above.is_empty() { "any file above".to_string() } else { above.join(" or ") };
            let what = format!("no `mod {name};` in {above}; declare or delete it");
            offences.push(Offence::new(path, 1, what));
        }
    }
    offences
}

/// The tests and examples of the crates below the root package, which has `autotests` off.
fn found_by_cargo(folder: &str) -> bool {
    let mut parts = folder.rsplit('/');
    let last = parts.next().unwrap_or_default();
    let is_nested = parts.next().is_some_and(|above| above != "src");
    last == "examples" || (matches!(last, "tests" | "benches") && is_nested)
}

fn declares(path: &str, text: &str, name: &str) -> bool {
    let found = paths(path, text);
    found.windows(2).any(|pair| pair[0].segments == ["mod"] && pair[1].segments == [name])
}

#[test]
fn a_file_that_nobody_declares_is_refused() {
    let tree = Tree::made_up([
        ("src/lib.rs", "pub mod data;\nmod outer;"),
        ("src/main.rs", ""),
        ("src/outer.rs", "mod inner;"),
        ("src/outer/inner.rs", ""),
        ("src/data/mod.rs", "// mod lost;\nmod text;"),
        ("src/data/text.rs", ""),
        ("src/data/lost.rs", ""),
        ("src/train/mod.rs", ""),
        ("src/nowhere/file.rs", ""),
        ("codegen/tests/codegen.rs", ""),
        ("tests/main.rs", "mod ops;"),
        ("tests/ops/mod.rs", "mod add;"),
        ("tests/ops/add.rs", ""),
        ("tests/ops/gelu.rs", ""),
    ]);
    let expected = [
        ("src/data/lost.rs:1", "no `mod lost;` in src/data/mod.rs"),
        ("src/nowhere/file.rs:1", "no `mod file;` in"),
        ("src/train/mod.rs:1", "no `mod train;` in src/lib.rs or src/main.rs"),
        ("tests/ops/gelu.rs:1", "no `mod gelu;` in tests/ops/mod.rs"),
    ];
    assert_offences(&check(&tree), &expected);
}
