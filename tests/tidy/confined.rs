//! Names that may stand in few places: foreign crates, so that each can be replaced, and `unsafe`.

use super::paths::{Named, paths};
use super::tables::{DOCUMENT, table};
use super::tree::{Offence, Tree, assert_offences};

/// Each name of the table `confined` is written only in the files and folders of its row. Tests and benches look
/// at everything.
pub fn check(tree: &Tree) -> Vec<Offence> {
    let rows = table(tree, "confined");
    let mut offences = Vec::new();
    for (path, text) in tree.files("", "rs").filter(|(path, _)| is_shipped(path)) {
        let named = paths(path, text);
        let declares = |name: &str| {
            named.windows(2).any(|pair| is_word(&pair[0], "mod") && is_word(&pair[1], name))
        };
        for row in &rows {
            let name = row.cell(0);
            let places = row.names(1);
            let is_allowed = places
                .iter()
                .any(|&place| path == place || (place.ends_with('/') && path.starts_with(place)));
            // A file may have a module of that name: it then means its own.
            if is_allowed || declares(name) {
                continue;
            }
            for use_ in named.iter().filter(|named| uses(named, name)) {
                let what = format!(
                    "`{name}` stands only in {} ({DOCUMENT}:{}); go through what those offer",
                    places.join(", "),
                    row.line
                );
                offences.push(Offence::new(path, use_.line, what));
            }
        }
    }
    offences
}

fn is_shipped(path: &str) -> bool {
    !path.split('/').any(|part| part == "tests" || part == "benches" || part == "examples")
}

/// A crate is named by a path that begins with it, a keyword wherever it stands.
fn uses(named: &Named, name: &str) -> bool {
    named.segments[0] == name && (named.segments.len() > 1 || named.is_use || name == "unsafe")
}

fn is_word(named: &Named, word: &str) -> bool {
    named.segments.len() == 1 && named.segments[0] == word
}

#[test]
fn a_name_outside_its_place_is_refused() {
    let document = "<!-- tidy: confined -->\n| a | b |\n|---|---|\n| `wgpu` | `engine/src/device/` |\n\
                    | unsafe | engine/src/device/, src/data/shards.rs |\n| bm25 | src/retrieval/bm25.rs |\n";
    let tree = Tree::made_up([
        (DOCUMENT, document),
        ("engine/src/device/gpu.rs", "use wgpu::Device;\nfn f() { unsafe { g() } }"),
        ("engine/src/tensor.rs", "// wgpu::no\nfn f(d: wgpu::Device) {}\nuse wgpu;\nlet wgpu = 1;"),
        ("engine/src/device.rs", "#![forbid(unsafe_code)]\nuse {wgpu::A, b::C};"),
        ("src/data/shards.rs", "unsafe fn f() {}"),
        ("src/data/text.rs", "fn f() { m!(unsafe { 1 }) }"),
        ("src/retrieval/bm25.rs", "use bm25::Scorer;"),
        ("src/retrieval/mod.rs", "mod bm25;\npub use bm25::Bm25;"),
        ("src/retrieval/search.rs", "use super::bm25::Bm25;\nuse bm25::Scorer;"),
        ("tests/ops/add.rs", "use wgpu::Device;"),
    ]);
    let expected = [
        ("engine/src/device.rs:2", "`wgpu` stands only in engine/src/device/"),
        ("engine/src/tensor.rs:2", "`wgpu`"),
        ("engine/src/tensor.rs:3", "`wgpu`"),
        ("src/data/text.rs:1", "`unsafe`"),
        ("src/retrieval/search.rs:2", "`bm25` stands only in src/retrieval/bm25.rs"),
    ];
    assert_offences(&check(&tree), &expected);
}
