//! A file that can be read in one sitting.

use super::tables::{DOCUMENT, table};
use super::tree::{Offence, Tree, assert_offences};

const RUST_LINES: usize = 400;
const WGSL_LINES: usize = 300;

/// No file is longer than its kind may be, but for the rows of the table `lengths` and for what is generated.
pub fn check(tree: &Tree) -> Vec<Offence> {
    let rows = table(tree, "lengths");
    let mut offences = Vec::new();
    for (extension, usual) in [("rs", RUST_LINES), ("wgsl", WGSL_LINES)] {
        for (path, text) in tree.files("", extension) {
            if text.lines().take(5).any(|line| line.starts_with("//! @generated")) {
                continue;
            }
            let row = rows.iter().find(|row| row.cell(0) == path);
            let allowed = row.and_then(|row| row.cell(1).parse().ok()).unwrap_or(usual);
            let found = text.lines().count();
            if found > allowed {
                let what = format!("{found} lines, at most {allowed}; split it by what it is for");
                offences.push(Offence::new(path, allowed + 1, what));
            }
        }
    }
    for row in rows {
        if !tree.files.contains_key(row.cell(0)) || row.cell(2).is_empty() {
            let what = format!("`{}` is gone, or its row gives no reason; correct it", row.cell(0));
            offences.push(Offence::new(DOCUMENT, row.line, what));
        }
    }
    offences
}

#[test]
fn a_long_file_is_refused() {
    let document = "<!-- tidy: lengths -->\n| a | b | c |\n|---|---|---|\n| src/table.rs | 450 | one table |\n\
                    | src/gone.rs | 500 | r |\n| src/why.rs | 500 | |\n";
    let lines = |count: usize| "\n".repeat(count);
    let generated = format!("//! Text.\n//!\n//! @generated from x\n{}", lines(900));
    let tree = Tree::made_up([
        (DOCUMENT, document),
        ("src/short.rs", &lines(400)),
        ("src/long.rs", &lines(401)),
        ("src/table.rs", &lines(450)),
        ("src/why.rs", ""),
        ("engine/src/params.rs", &generated),
        ("shaders/long.wgsl", &lines(301)),
    ]);
    let expected = [
        ("src/long.rs:401", "401 lines, at most 400"),
        ("shaders/long.wgsl:301", "301 lines, at most 300"),
        ("docs/ARCHITECTURE.md:5", "`src/gone.rs` is gone"),
        ("docs/ARCHITECTURE.md:6", "no reason"),
    ];
    assert_offences(&check(&tree), &expected);
}
