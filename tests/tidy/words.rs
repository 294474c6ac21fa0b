//! Words that say that something is left undone, switched off, or kept equal by hand.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use super::paths::tokens;
use super::tree::{Offence, Tree, assert_offences};

/// Spelled in halves, so that this file does not offend itself.
const UNDONE: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("X", "XX")];
const BY_HAND: &str = concat!("keep in ", "sync");

/// No text says that something is undone, no Rust leaves a hole, skips a test, or allows without a reason.
pub fn check(tree: &Tree) -> Vec<Offence> {
    let mut offences = Vec::new();
    for (path, text) in &tree.files {
        for (line, number) in text.lines().zip(1..) {
            let mut words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
            // `WORD(#12)` or `WORD #12` points to an issue, where the matter is not forgotten.
            if words.any(|word| UNDONE.contains(&word)) && !line.contains('#') {
                offences.push(Offence::new(path, number, "do it now, or name the issue: `(#12)`"));
            }
            if line.to_lowercase().contains(BY_HAND) {
                let what = "what must agree is generated, or compared by a test";
                offences.push(Offence::new(path, number, what));
            }
        }
        if path.ends_with(".rs") {
            holes(path, tokens(path, text), &mut offences);
        }
    }
    offences
}

fn holes(path: &str, stream: TokenStream, offences: &mut Vec<Offence>) {
    let trees: Vec<TokenTree> = stream.into_iter().collect();
    for (at, token) in trees.iter().enumerate() {
        let line = token.span().start().line;
        let is_call = matches!(trees.get(at + 1), Some(TokenTree::Punct(p)) if p.as_char() == '!');
        match token {
            TokenTree::Ident(name) if is_call && (name == "todo" || name == "unimplemented") => {
                let what = format!("`{name}!` is a hole; fill it or take it away");
                offences.push(Offence::new(path, line, what));
            }
            TokenTree::Group(group) => {
                let is_attribute = group.delimiter() == Delimiter::Bracket
                    && at > 0
                    && matches!(&trees[at - 1], TokenTree::Punct(p) if "#!".contains(p.as_char()));
                if is_attribute && let Some(what) = attribute(group.stream()) {
                    offences.push(Offence::new(path, line, what));
                }
                holes(path, group.stream(), offences);
            }
            _ => {}
        }
    }
}

fn attribute(stream: TokenStream) -> Option<&'static str> {
    let text = stream.to_string();
    let names: Vec<&str> = text.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    match names.first() {
        Some(&"ignore") => Some("a test that does not run is no test; run it or delete it"),
        Some(&"allow") if !names.contains(&"reason") => Some("say why: `reason = \"…\"`"),
        Some(&"cfg_attr") if names.contains(&"allow") && !names.contains(&"reason") => {
            Some("say why: `reason = \"…\"`")
        }
        _ => None,
    }
}

#[test]
fn what_is_left_undone_is_refused() {
    let word = UNDONE[0];
    let rust = format!(
        "// {word}: later\n// {word}(#12): later\nfn f() {{ todo!() }}\n#[test]\n#[ignore = \"slow\"]\nfn g() {{}}\n\
         #![allow(dead_code)]\n#[allow(dead_code, reason = \"generated\")]\nfn h() {{ m!(unimplemented!(\"x\")) }}\n\
         fn i() {{ let todo = \"todo!\"; }}\n"
    );
    let document = format!("# A\nThe two must be {}.\n", BY_HAND.replace("keep", "Keep"));
    let tree = Tree::made_up([
        ("docs/a.md", document.as_str()),
        ("shaders/a.wgsl", &format!("// {} here\n", UNDONE[1])),
        ("src/a.rs", &rust),
    ]);
    let expected = [
        ("docs/a.md:2", "generated, or compared"),
        ("shaders/a.wgsl:1", "name the issue"),
        ("src/a.rs:1", "name the issue"),
        ("src/a.rs:3", "`todo!` is a hole"),
        ("src/a.rs:5", "run it or delete it"),
        ("src/a.rs:7", "say why"),
        ("src/a.rs:9", "`unimplemented!` is a hole"),
    ];
    assert_offences(&check(&tree), &expected);
}
