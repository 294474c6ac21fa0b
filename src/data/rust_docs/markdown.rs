//! The first paragraph of a documentation comment as plain words.

/// What a documentation comment says first, as it is written: its first paragraph on one line,
/// without headings, tables and images.
///
/// Empty if the comment opens with a block of code, or has no prose at all.
pub(super) fn first_paragraph(documentation: &str) -> String {
    let mut paragraph = String::new();
    for line in documentation.lines() {
        // A block comment may carry a star on every line.
        let line = line.trim();
        let line = line.strip_prefix("* ").unwrap_or(if line == "*" { "" } else { line });
        let is_fence = line.starts_with("```") || line.starts_with("~~~");
        let is_no_prose = line.is_empty()
            || line.starts_with(['#', '|', '<'])
            || line.starts_with("![")
            || line.starts_with("[![");
        if is_fence || (is_no_prose && !paragraph.is_empty()) {
            break;
        }
        if !is_no_prose && !is_link_definition(line) {
            paragraph.push_str(line);
            paragraph.push(' ');
        }
    }
    paragraph
}

/// `paragraph` in plain words: without code marks, emphasis, tags, escapes and the targets of
/// links.
pub(super) fn plain(paragraph: &str) -> String {
    without_markup(paragraph).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `paragraph` without what stands between code marks: what generated documentation has in common.
pub(super) fn template(paragraph: &str) -> String {
    paragraph.split('`').step_by(2).collect::<Vec<_>>().join("`")
}

/// `[name]: target`
fn is_link_definition(line: &str) -> bool {
    line.starts_with('[') && line.contains("]: ")
}

fn without_markup(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (taken, written) = match first {
            '`' => code_span(rest),
            '[' => link(rest),
            '!' if rest.starts_with("![") => {
                let (taken, _) = link(&rest[1..]);
                (1 + taken, String::new())
            }
            '<' if !out.ends_with(char::is_alphanumeric) => tag(rest),
            '*' if !out.ends_with(char::is_alphanumeric) => emphasis(rest),
            '\\' if rest[1..].starts_with(|c: char| c.is_ascii_punctuation()) => {
                (2, rest[1..2].to_owned())
            }
            other => (other.len_utf8(), other.to_string()),
        };
        out.push_str(&written);
        rest = &rest[taken..];
    }
    out
}

/// `` `code` `` and ``` ``code`` ```: how many bytes of `text` it takes, and the code.
fn code_span(text: &str) -> (usize, String) {
    let marks = text.len() - text.trim_start_matches('`').len();
    let inside = &text[marks..];
    match inside.find(&text[..marks]) {
        Some(end) => (end + 2 * marks, inside[..end].to_owned()),
        None => (marks, String::new()),
    }
}

/// `*words*`, `**words**`: the bytes it takes, and the words; a star that opens nothing stays.
fn emphasis(text: &str) -> (usize, String) {
    let marks = if text.starts_with("**") { 2 } else { 1 };
    let inside = &text[marks..];
    match inside.find(&text[..marks]).map(|end| &inside[..end]) {
        Some(words) if !words.is_empty() && words.trim() == words => {
            (words.len() + 2 * marks, without_markup(words))
        }
        _ => (1, "*".to_owned()),
    }
}

/// `[words](target)`, `[words][target]`, `[name]`: the bytes it takes, and the words; brackets that
/// make no link stay.
fn link(text: &str) -> (usize, String) {
    let Some(close) = closing(text, '[', ']') else { return (1, "[".to_owned()) };
    let (inside, after) = (&text[1..close], &text[close + 1..]);
    let target = match after.chars().next() {
        Some('(') => closing(after, '(', ')'),
        Some('[') => closing(after, '[', ']'),
        _ => None,
    };
    let is_name =
        !inside.is_empty() && (inside.starts_with('`') || !inside.contains([' ', ',', ';']));
    match target {
        Some(end) => (close + 1 + end + 1, without_markup(inside)),
        None if is_name => (close + 1, without_markup(inside)),
        None => (1, "[".to_owned()),
    }
}

/// `<b>`, `</b>`, `<https://…>`: the bytes it takes; a comparison stays.
fn tag(text: &str) -> (usize, String) {
    let opens = text[1..].starts_with(|c: char| c == '/' || c.is_ascii_alphabetic());
    match text.find('>') {
        Some(end) if opens => (end + 1, String::new()),
        _ => (1, "<".to_owned()),
    }
}

/// Where the bracket that `text` begins with is closed.
fn closing(text: &str, open: char, close: char) -> Option<usize> {
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        if c == open {
            depth += 1;
        } else if c == close {
            depth -= 1;
            if depth == 0 {
                return Some(at);
            }
        }
    }
    None
}
