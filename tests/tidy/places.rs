//! One op, one stem, six places.

use super::tables::{DOCUMENT, table};
use super::tree::{Offence, Tree, assert_offences};

/// Where the parts of a stem lie, beside its shader.
const PLACES: [(&str, &str); 5] = [
    ("kernels", "engine/src/kernels"),
    ("reference", "engine/src/reference"),
    ("ops", "engine/src/ops"),
    ("tests", "tests/ops"),
    ("benches", "benches/ops"),
];
/// A variant of a kernel has a signature of its own; the rest it shares with its base.
const VARIANT_PLACES: usize = 1;

/// Every shader has its six places, or a row in the table `places` that names the file standing for one.
pub fn check(tree: &Tree) -> Vec<Offence> {
    let rows = table(tree, "places");
    let stem_of = |path: &str| {
        let name = path.strip_prefix("shaders/")?.strip_suffix(".wgsl")?;
        (!name.contains('/')).then(|| name.to_string())
    };
    let shaders: Vec<(String, &str, &str)> = tree
        .files("shaders/", "wgsl")
        .filter_map(|(path, text)| Some((stem_of(path)?, path, text)))
        .collect();
    let is_stem = |stem: &str| shaders.iter().any(|(found, _, _)| found == stem);
    let mut offences = Vec::new();
    for (stem, path, text) in &shaders {
        let base = variant_of(text);
        if let Some(base) = base.filter(|base| !is_stem(base)) {
            let what = format!("variant of `{base}`, but there is no shaders/{base}.wgsl");
            offences.push(Offence::new(path, 1, what));
        }
        let count = if base.is_some() { VARIANT_PLACES } else { PLACES.len() };
        for (place, folder) in &PLACES[..count] {
            let row = rows.iter().find(|row| row.cell(0) == stem && row.cell(1) == *place);
            let file =
                row.map_or_else(|| format!("{folder}/{stem}.rs"), |row| row.cell(2).to_string());
            if !tree.files.contains_key(&file) {
                let what = format!(
                    "{stem} has no {file}; write it, or name the file that stands for it in {DOCUMENT}"
                );
                offences.push(Offence::new(path, 1, what));
            }
        }
    }
    for row in rows {
        let problem = if !is_stem(row.cell(0)) {
            format!("there is no shaders/{}.wgsl", row.cell(0))
        } else if !PLACES.iter().any(|(place, _)| *place == row.cell(1)) {
            format!("`{}` is no place", row.cell(1))
        } else if row.cell(3).is_empty() {
            "an exception needs a reason".to_string()
        } else {
            continue;
        };
        offences.push(Offence::new(DOCUMENT, row.line, problem + "; correct or remove the row"));
    }
    offences
}

/// The stem named by a header line `// variant   STEM`.
pub fn variant_of(text: &str) -> Option<&str> {
    text.lines().find_map(|line| Some(line.strip_prefix("// variant ")?.trim()))
}

#[test]
fn a_missing_place_is_refused() {
    let document = "<!-- tidy: places -->\n| a | b | c | d |\n|---|---|---|---|\n\
                    | adamw | ops | engine/src/optimizer.rs | no op: nothing differentiates it |\n\
                    | adamw | home | x.rs | r |\n| gone | ops | x.rs | r |\n| adamw | tests | tests/a.rs | |\n";
    let tree = Tree::made_up([
        (DOCUMENT, document),
        ("shaders/shared/lanes.wgsl", ""),
        ("shaders/adamw.wgsl", ""),
        ("engine/src/kernels/adamw.rs", ""),
        ("engine/src/reference/adamw.rs", ""),
        ("engine/src/optimizer.rs", ""),
        ("tests/a.rs", ""),
        ("benches/ops/adamw.rs", ""),
        ("shaders/matmul.wgsl", ""),
        ("engine/src/kernels/matmul.rs", ""),
        ("engine/src/reference/matmul.rs", ""),
        ("engine/src/ops/matmul.rs", ""),
        ("benches/ops/matmul.rs", ""),
        ("shaders/matmul_software.wgsl", "// matmul_software\n// variant   matmul\n"),
        ("engine/src/kernels/matmul_software.rs", ""),
        ("shaders/gelu_fast.wgsl", "// gelu_fast\n// variant   gelu\n"),
    ]);
    let expected = [
        ("shaders/gelu_fast.wgsl:1", "variant of `gelu`"),
        ("shaders/gelu_fast.wgsl:1", "no engine/src/kernels/gelu_fast.rs"),
        ("shaders/matmul.wgsl:1", "matmul has no tests/ops/matmul.rs"),
        ("docs/ARCHITECTURE.md:5", "`home` is no place"),
        ("docs/ARCHITECTURE.md:6", "no shaders/gone.wgsl"),
        ("docs/ARCHITECTURE.md:7", "needs a reason"),
    ];
    assert_offences(&check(&tree), &expected);
}
