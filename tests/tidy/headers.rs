//! Every shader opens with what it computes, over which shapes, by whom and at what cost.

use super::tree::{Offence, Tree, assert_offences};

/// The fields in their order, and whether each must be there.
const FIELDS: [(&str, bool); 9] = [
    ("math", true),
    ("variant", false),
    ("source", true),
    ("shapes", true),
    ("work", true),
    ("cost", true),
    ("limits", false),
    ("numerics", false),
    ("uses", false),
];
/// `// numerics  ` is as wide as a field gets.
const TEXT_COLUMN: usize = 13;

/// Every shader has the header; a shared one says in its first line what it offers.
pub fn check(tree: &Tree) -> Vec<Offence> {
    let mut offences = Vec::new();
    for (path, text) in tree.files("shaders/", "wgsl") {
        let name = path.rsplit('/').next().unwrap_or(path).trim_end_matches(".wgsl");
        let opening = format!("// {name} — ");
        if !text.starts_with(&opening) {
            let what = format!("expected a first line `{opening}what it is for`");
            offences.push(Offence::new(path, 1, what));
        }
        if !path.starts_with("shaders/shared/") {
            offences.extend(fields(path, text));
        }
    }
    offences
}

fn fields(path: &str, text: &str) -> Vec<Offence> {
    let mut offences = Vec::new();
    let mut next = 0;
    let header = text.lines().zip(1..).take_while(|(line, _)| line.starts_with("//")).skip(1);
    for (line, number) in header {
        let content = line.trim_start_matches('/').strip_prefix(' ').unwrap_or_default();
        // An indented line goes on with the field above it.
        let Some(field) = content.split(' ').next().filter(|field| !field.is_empty()) else {
            continue;
        };
        let Some(index) = FIELDS.iter().position(|(known, _)| *known == field) else {
            let known = FIELDS.map(|(known, _)| known).join(", ");
            let what = format!("`{field}` is no field of a header; the fields are {known}");
            offences.push(Offence::new(path, number, what));
            continue;
        };
        if index < next {
            let what = format!("`{field}` stands too late; the order is {:?}", FIELDS.map(|f| f.0));
            offences.push(Offence::new(path, number, what));
        }
        let padded = content[field.len()..].trim_start_matches(' ');
        if line.len() - padded.len() != TEXT_COLUMN || padded.is_empty() {
            let what = format!("the text of `{field}` begins in column {}", TEXT_COLUMN + 1);
            offences.push(Offence::new(path, number, what));
        }
        for (missing, _) in FIELDS[next.min(index)..index].iter().filter(|(_, required)| *required)
        {
            let what = format!("`{missing}` is missing before `{field}`");
            offences.push(Offence::new(path, number, what));
        }
        next = next.max(index + 1);
    }
    for (missing, _) in FIELDS[next..].iter().filter(|(_, required)| *required) {
        offences.push(Offence::new(path, 1, format!("the header has no field `{missing}`")));
    }
    offences
}

#[test]
fn a_header_out_of_form_is_refused() {
    let good = "// good — what it is for.\n//\n// math      y = x\n//           dx = dy\n// source    s\n\
                // shapes    N\n// work      w\n// cost      c\n// uses      shared/lanes.wgsl\n\nstruct Params {}\n\
                // helper — not the header\n";
    let late = "// late — text.\n//\n// math      y = x\n// shapes    N\n// source    s\n// work      w\n// cost  c\n";
    let short = "// shorter - text\n//\n// maths     y\n// math      y\n// numerics  n\n";
    let tree = Tree::made_up([
        ("shaders/good.wgsl", good),
        ("shaders/late.wgsl", late),
        ("shaders/shared/lanes.wgsl", "// what lanes do\n"),
        ("shaders/shared/philox.wgsl", "// philox — random words.\n"),
        ("shaders/short.wgsl", short),
    ]);
    let expected = [
        ("shaders/late.wgsl:4", "`source` is missing before `shapes`"),
        ("shaders/late.wgsl:5", "`source` stands too late"),
        ("shaders/late.wgsl:7", "the text of `cost` begins in column 14"),
        ("shaders/shared/lanes.wgsl:1", "expected a first line `// lanes — "),
        ("shaders/short.wgsl:1", "expected a first line `// short — "),
        ("shaders/short.wgsl:3", "`maths` is no field"),
        ("shaders/short.wgsl:5", "`source` is missing before `numerics`"),
        ("shaders/short.wgsl:5", "`shapes` is missing"),
        ("shaders/short.wgsl:5", "`work` is missing"),
        ("shaders/short.wgsl:5", "`cost` is missing"),
    ];
    assert_offences(&check(&tree), &expected);
}
