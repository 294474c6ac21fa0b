//! The tables of docs/ARCHITECTURE.md that are rules: each follows a line `<!-- tidy: NAME -->`.

use super::tree::Tree;

pub const DOCUMENT: &str = "docs/ARCHITECTURE.md";

/// One row of a table: its cells without backticks.
#[derive(Debug)]
pub struct Row {
    /// Its line in the document.
    pub line: usize,
    cells: Vec<String>,
}

impl Row {
    /// The text of a cell, empty where the row is short.
    pub fn cell(&self, index: usize) -> &str {
        self.cells.get(index).map_or("", String::as_str)
    }

    /// The names in a cell, which stand between commas; `nothing` is none.
    pub fn names(&self, index: usize) -> Vec<&str> {
        let names = self.cell(index).split(',').map(str::trim);
        names.filter(|name| !name.is_empty() && *name != "nothing").collect()
    }
}

/// The rows of the table called `name`.
pub fn table(tree: &Tree, name: &str) -> Vec<Row> {
    let marker = format!("<!-- tidy: {name} -->");
    let text = tree.files.get(DOCUMENT).unwrap_or_else(|| panic!("{DOCUMENT} is missing"));
    let mut lines = text.lines().zip(1..).skip_while(|(line, _)| line.trim() != marker);
    assert!(lines.next().is_some(), "{DOCUMENT} has no line `{marker}`");
    let rows = lines
        .skip_while(|(line, _)| !line.starts_with('|'))
        .take_while(|(line, _)| line.starts_with('|'))
        .skip(2); // the header and the rule below it
    rows.map(|(line, number)| {
        let cells = line.trim().trim_matches('|').split('|');
        Row {
            line: number,
            cells: cells.map(|cell| cell.replace('`', "").trim().to_string()).collect(),
        }
    })
    .collect()
}

#[test]
fn a_table_is_read_by_its_name() {
    let text = "# A\n<!-- tidy: other -->\n\n| a |\n|---|\n| no |\n\n<!-- tidy: mine -->\n\n\
                | a | b |\n|---|---|\n| `x` | `y`, `z::w` |\n| u | nothing |\n\nmore\n";
    let rows = table(&Tree::made_up([(DOCUMENT, text)]), "mine");
    let read: Vec<(usize, &str, Vec<&str>)> =
        rows.iter().map(|row| (row.line, row.cell(0), row.names(1))).collect();
    assert_eq!(read, [(12, "x", vec!["y", "z::w"]), (13, "u", vec![])]);
}

#[test]
#[should_panic(expected = "has no line `<!-- tidy: mine -->`")]
fn a_table_that_is_missing_is_an_error() {
    table(&Tree::made_up([(DOCUMENT, "# A\n")]), "mine");
}
