//! Every path a Rust file names, in `use`, in expressions and inside macros, with groups spelled out.

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};

/// A path as it is written: `use crate::{a, b::c}` gives `crate::a` and `crate::b::c`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    pub segments: Vec<String>,
    pub line: usize,
    /// How many inline modules it stands in.
    pub depth: usize,
    /// Does it stand right behind `use`?
    pub is_use: bool,
}

/// Reads the tokens of a file; comments and strings are none.
pub fn tokens(path: &str, text: &str) -> TokenStream {
    text.parse().unwrap_or_else(|error| panic!("{path}: expected Rust: {error}"))
}

/// Lists the paths of a file, single identifiers too.
pub fn paths(path: &str, text: &str) -> Vec<Named> {
    let mut found = Vec::new();
    collect(tokens(path, text), &[], 0, &mut found);
    found
}

fn collect(stream: TokenStream, prefix: &[String], depth: usize, found: &mut Vec<Named>) {
    let trees: Vec<TokenTree> = stream.into_iter().collect();
    let mut at = 0;
    while at < trees.len() {
        match &trees[at] {
            TokenTree::Group(group) => {
                let is_module = group.delimiter() == Delimiter::Brace
                    && at >= 2
                    && is_word(&trees[at - 2], "mod");
                collect(group.stream(), prefix, depth + usize::from(is_module), found);
                at += 1;
            }
            TokenTree::Ident(first) => {
                let line = first.span().start().line;
                let is_use = at > 0 && is_word(&trees[at - 1], "use");
                let mut segments = prefix.to_vec();
                segments.push(first.to_string());
                at += 1;
                let mut group = None;
                while is_path_separator(&trees, at) {
                    match trees.get(at + 2) {
                        Some(TokenTree::Ident(next)) => segments.push(next.to_string()),
                        Some(TokenTree::Group(inner)) => group = Some(inner.stream()),
                        _ => break,
                    }
                    at += 3;
                }
                match group {
                    Some(inner) => collect(inner, &segments, depth, found),
                    None => found.push(Named { segments, line, depth, is_use }),
                }
            }
            _ => at += 1,
        }
    }
}

fn is_word(tree: &TokenTree, word: &str) -> bool {
    matches!(tree, TokenTree::Ident(ident) if ident == word)
}

/// Do the two tokens from `at` on read `::`?
fn is_path_separator(trees: &[TokenTree], at: usize) -> bool {
    let colon = |at: usize| match trees.get(at) {
        Some(TokenTree::Punct(punct)) if punct.as_char() == ':' => Some(punct.spacing()),
        _ => None,
    };
    colon(at) == Some(Spacing::Joint) && colon(at + 1).is_some()
}

#[test]
fn paths_are_found_wherever_they_stand() {
    let text = "// crate::comment\nuse crate::{a, b::{self, c}};\nuse wgpu;\n\
                mod tests {\n fn f() { m!(crate::d::e::<T>()); \"crate::string\" } }\n";
    let found: Vec<String> = paths("a.rs", text)
        .into_iter()
        .filter(|named| named.segments.len() > 1 || named.is_use)
        .map(|named| format!("{} {} {}", named.segments.join("::"), named.line, named.depth))
        .collect();
    let expected =
        ["crate::a 2 0", "crate::b::self 2 0", "crate::b::c 2 0", "wgpu 3 0", "crate::d::e 5 1"];
    assert_eq!(found, expected);
}
