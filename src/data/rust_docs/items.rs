//! The documented items of one Rust file, with their code.

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Attribute, Expr, ExprLit, Ident, ImplItem, Item, Lit, Meta, TraitItem, Type};

/// Where code is cut: about 400 word pieces, more than an encoder of sentences reads.
const MAX_CODE_BYTES: usize = 1200;

/// An item, its documentation as written and its code.
pub(super) struct Documented {
    pub path: String,
    pub line: usize,
    pub documentation: String,
    pub code: String,
}

/// The documented items of the file `text`, which is the module `module`, in the order of the file.
///
/// Modules of tests and the bodies of functions are not entered.
pub(super) fn documented(text: &str, module: &str) -> syn::Result<Vec<Documented>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // Bindings to a whole system have no documentation; parsing them would take most of the time.
    if !["///", "/**", "#[doc =", "#[doc="].iter().any(|mark| text.contains(mark)) {
        return Ok(Vec::new());
    }
    let mut found = Found { text, items: Vec::new() };
    let file: syn::File = syn::parse_str(text)?;
    found.in_module(&file.items, module);
    // proc-macro2 keeps the text of every file that a thread parsed; no span of this one is used
    // again.
    proc_macro2::extra::invalidate_current_thread_spans();
    Ok(found.items)
}

struct Found<'t> {
    text: &'t str,
    items: Vec<Documented>,
}

impl Found<'_> {
    fn in_module(&mut self, items: &[Item], path: &str) {
        for item in items {
            match item {
                Item::Const(it) => self.add(&it.attrs, path, &it.ident, item),
                Item::Enum(it) => self.add(&it.attrs, path, &it.ident, item),
                Item::Fn(it) => self.add(&it.attrs, path, &it.sig.ident, item),
                Item::Static(it) => self.add(&it.attrs, path, &it.ident, item),
                Item::Struct(it) => self.add(&it.attrs, path, &it.ident, item),
                Item::Type(it) => self.add(&it.attrs, path, &it.ident, item),
                Item::Union(it) => self.add(&it.attrs, path, &it.ident, item),
                Item::Macro(it) => {
                    if let Some(name) = &it.ident {
                        self.add(&it.attrs, path, name, item);
                    }
                }
                Item::Trait(it) => {
                    self.add(&it.attrs, path, &it.ident, item);
                    self.in_trait(&it.items, &format!("{path}::{}", it.ident));
                }
                Item::Impl(it) => {
                    self.in_impl(&it.items, &format!("{path}::{}", type_name(&it.self_ty)));
                }
                Item::Mod(it) if !is_test(&it.attrs) => {
                    if let Some((_, items)) = &it.content {
                        self.in_module(items, &format!("{path}::{}", it.ident));
                    }
                }
                _ => {}
            }
        }
    }

    fn in_trait(&mut self, items: &[TraitItem], path: &str) {
        for item in items {
            match item {
                TraitItem::Const(it) => self.add(&it.attrs, path, &it.ident, item),
                TraitItem::Fn(it) => self.add(&it.attrs, path, &it.sig.ident, item),
                TraitItem::Type(it) => self.add(&it.attrs, path, &it.ident, item),
                _ => {}
            }
        }
    }

    fn in_impl(&mut self, items: &[ImplItem], path: &str) {
        for item in items {
            match item {
                ImplItem::Const(it) => self.add(&it.attrs, path, &it.ident, item),
                ImplItem::Fn(it) => self.add(&it.attrs, path, &it.sig.ident, item),
                ImplItem::Type(it) => self.add(&it.attrs, path, &it.ident, item),
                _ => {}
            }
        }
    }

    fn add(&mut self, attributes: &[Attribute], path: &str, name: &Ident, item: &impl ToTokens) {
        let documentation = documentation(attributes);
        if documentation.is_empty() {
            return;
        }
        let mut code =
            Code { text: self.text, line: None, end: 0, code: String::new(), is_cut: false };
        code.push_all(item.to_token_stream());
        self.items.push(Documented {
            path: format!("{path}::{name}"),
            line: code.line.unwrap_or_else(|| name.span().start().line),
            documentation,
            code: code.code,
        });
    }
}

/// The source between an item's tokens as it was written, but on one line and without attributes,
/// which documentation comments are too. Ordinary comments stay: they are part of what the code
/// says.
struct Code<'t> {
    text: &'t str,
    /// The line of the first token.
    line: Option<usize>,
    /// Where in `text` the last token ended, in bytes.
    end: usize,
    code: String,
    /// The next token did not fit, and so nothing after it does.
    is_cut: bool,
}

impl Code<'_> {
    fn push_all(&mut self, tokens: TokenStream) {
        let mut tokens = tokens.into_iter().peekable();
        while let Some(token) = tokens.next() {
            if self.is_cut {
                return;
            }
            if matches!(&token, TokenTree::Punct(punct) if punct.as_char() == '#') {
                // `#[…]`, or `#![…]` where the attribute stands inside what it is about.
                tokens.next_if(|t| matches!(t, TokenTree::Punct(p) if p.as_char() == '!'));
                if let Some(attribute) = tokens.next_if(is_bracketed) {
                    self.end = self.end.max(attribute.span().byte_range().end);
                    continue;
                }
            }
            match token {
                TokenTree::Group(group) => {
                    self.push(group.span_open(), group.delimiter());
                    self.push_all(group.stream());
                    self.push(group.span_close(), group.delimiter());
                }
                token => self.push(token.span(), Delimiter::Parenthesis),
            }
        }
    }

    /// Appends the token at `span`, unless it is the delimiter of a group that has none.
    fn push(&mut self, span: Span, delimiter: Delimiter) {
        let range = span.byte_range();
        let Some(token) = self.text.get(range.clone()) else { return };
        if self.is_cut || token.is_empty() || delimiter == Delimiter::None {
            return;
        }
        let before = match self.line {
            None => String::new(),
            Some(_) => one_line(self.text.get(self.end..range.start).unwrap_or_default()),
        };
        self.is_cut = self.code.len() + before.len() + token.len() > MAX_CODE_BYTES;
        if !self.is_cut {
            self.line.get_or_insert_with(|| span.start().line);
            self.code.push_str(&before);
            self.code.push_str(token);
            self.end = range.end;
        }
    }
}

/// What stands between two tokens, nothing or white space and comments, with single spaces.
fn one_line(gap: &str) -> String {
    let mut line: String = gap.split_whitespace().flat_map(|word| [" ", word]).collect();
    if !gap.is_empty() {
        line.push(' ');
    }
    line
}

fn is_bracketed(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Bracket)
}

/// The text of all `///`, `/** */` and `#[doc = "…"]`, one line each.
fn documentation(attributes: &[Attribute]) -> String {
    let mut lines = Vec::new();
    for attribute in attributes {
        let Meta::NameValue(meta) = &attribute.meta else { continue };
        let Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) = &meta.value else { continue };
        if meta.path.is_ident("doc") {
            lines.push(text.value());
        }
    }
    lines.join("\n")
}

/// The last name in `Type`, `a::Type<T>` and `&Type`; the source's tokens for what has no name.
fn type_name(ty: &Type) -> String {
    match ty {
        Type::Path(path) => {
            path.path.segments.last().map_or_else(String::new, |segment| segment.ident.to_string())
        }
        Type::Reference(reference) => type_name(&reference.elem),
        Type::Group(group) => type_name(&group.elem),
        other => other.to_token_stream().to_string(),
    }
}

/// Whether one of `attributes` is `#[cfg(test)]`.
fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<Ident>().is_ok_and(|condition| condition == "test")
    })
}
