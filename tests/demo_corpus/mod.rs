//! The demo's corpus, on made-up source trees and on this project's own dependencies.

use std::fs;
use std::path::{Path, PathBuf};
use tempfile::{TempDir, tempdir};

use wgrad::data::rust_docs::{
    Corpus, Error, Item, Package, corpus, default_cargo_home, locked_packages, packages_in,
};

const LIB: &str = r##"//! The crate's own documentation is no item's.

/// Adds two *small* numbers, a * b **not** being one, see [`sum`](crate::sum) and [the book][book].
/// The sum may wrap.
///
/// # Panics
/// Never, in release.
#[inline]
pub fn add(a: u8, b: u8) -> u8 {
    // Wrapping is wanted.
    a.wrapping_add(b)
}

/// Too short
pub fn short() {}

pub fn undocumented() {}

/// A point in `Vec<[f32; 2]>`, **not** normalized \[yet\].
#[derive(Debug)]
pub struct Point<T> {
    /// How far to the right.
    pub x: T,
    #[cfg(feature = "y")]
    pub y: T,
}

impl<T> std::ops::Neg for &Point<T> {
    type Output = ();
    #[doc = " Turns the point around"]
    #[doc = " the origin."]
    fn neg(self) {}
}

/**
 * Things that have an area.
 */
pub trait Shape {
    /// The area of the shape in square metres.
    fn area(&self) -> f32;
    /// How many corners all shapes have.
    const CORNERS: usize = 0;
}

/// Makes a vector from its arguments.
#[macro_export]
macro_rules! list { ($($x:expr),*) => { vec![$($x),*] }; }

/// The largest number of shapes.
pub const MAX: usize = 1_000;

mod inner {
    /// Another name for the shape's box.
    pub type Boxed = Box<dyn super::Shape>;

    #[cfg(test)]
    mod tests {
        /// Helps the tests of shapes.
        fn helper() {}
    }
}

/// ```
/// let no_prose = 1;
/// ```
pub static EXAMPLE_ONLY: u8 = 0;
"##;

/// Writes `files` under a new folder.
fn tree(files: &[(&str, &str)]) -> TempDir {
    let dir = tempdir().expect("a temporary folder");
    for (path, content) in files {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().expect("files lie in folders")).unwrap();
        fs::write(path, content).unwrap();
    }
    dir
}

fn read(dir: &Path) -> Corpus {
    corpus(&packages_in(&[dir.to_owned()]).unwrap()).unwrap()
}

/// `n` documented functions that no other crate's have the words of.
fn functions(topic: &str, n: usize) -> String {
    let function =
        |i| format!("/// Says {topic} for the {i}th time.\npub fn f{i}() -> u32 {{ {i} }}\n");
    (0..n).map(function).collect()
}

#[test]
fn items_carry_path_line_query_and_code() {
    let dir = tree(&[("shapes-1.2.0/src/lib.rs", LIB)]);
    let found = read(dir.path());
    assert_eq!((found.packages, found.skipped_files), (1, 0));
    assert!(found.heldout.is_empty(), "one crate cannot be split");

    let expected = [
        (
            "add",
            9,
            "Adds two small numbers, a * b not being one, see sum and the book. The sum may wrap.",
            "pub fn add(a: u8, b: u8) -> u8 { // Wrapping is wanted. a.wrapping_add(b) }",
        ),
        (
            "Point",
            21,
            "A point in Vec<[f32; 2]>, not normalized [yet].",
            "pub struct Point<T> { pub x: T, pub y: T, }",
        ),
        ("Point::neg", 32, "Turns the point around the origin.", "fn neg(self) {}"),
        (
            "Shape",
            38,
            "Things that have an area.",
            "pub trait Shape { fn area(&self) -> f32; const CORNERS: usize = 0; }",
        ),
        ("Shape::area", 40, "The area of the shape in square metres.", "fn area(&self) -> f32;"),
        ("Shape::CORNERS", 42, "How many corners all shapes have.", "const CORNERS: usize = 0;"),
        (
            "list",
            47,
            "Makes a vector from its arguments.",
            "macro_rules! list { ($($x:expr),*) => { vec![$($x),*] }; }",
        ),
        ("MAX", 50, "The largest number of shapes.", "pub const MAX: usize = 1_000;"),
        (
            "inner::Boxed",
            54,
            "Another name for the shape's box.",
            "pub type Boxed = Box<dyn super::Shape>;",
        ),
    ];
    assert_eq!(found.train.len(), expected.len(), "{:#?}", found.train);
    for (item, (path, line, query, passage)) in found.train.iter().zip(expected) {
        let expected = Item {
            crate_name: "shapes".into(),
            path: format!("shapes::{path}"),
            file: dir.path().join("shapes-1.2.0/src/lib.rs"),
            line,
            query: query.into(),
            passage: passage.into(),
        };
        assert_eq!(*item, expected);
    }
}

#[test]
fn paths_follow_the_files() {
    let doc = |name: &str| format!("/// What the {name} does.\npub fn {name}() {{}}\n");
    let dir = tree(&[
        ("a-b-0.1.0-rc.1/src/lib.rs", &doc("root")),
        ("a-b-0.1.0-rc.1/src/x/mod.rs", &doc("module")),
        ("a-b-0.1.0-rc.1/src/x/y.rs", &doc("nested")),
        ("a-b-0.1.0-rc.1/src/bin/main.rs", &doc("binary")),
        ("a-b-0.1.0-rc.1/target/c/src/lib.rs", &doc("generated")),
        ("a-b-0.1.0-rc.1/.git/d/src/lib.rs", &doc("hidden")),
    ]);
    let paths: Vec<String> = read(dir.path()).train.into_iter().map(|item| item.path).collect();
    assert_eq!(
        paths,
        ["a_b::bin::main::binary", "a_b::root", "a_b::x::module", "a_b::x::y::nested"]
    );

    let bare = tree(&[("code/lib.rs", &doc("bare"))]);
    assert_eq!(read(&bare.path().join("code")).train[0].path, "code::bare");
}

#[test]
fn what_a_query_cannot_tell_apart_is_left_out() {
    let repeated =
        |n| "/// Returns the inner value.\npub fn f() {}\n".repeat(n).replace("f()", "f$()");
    let numbered = |text: String| -> String {
        let parts: Vec<&str> = text.split('$').collect();
        parts
            .iter()
            .enumerate()
            .map(|(i, part)| {
                format!("{part}{}", if i + 1 < parts.len() { i.to_string() } else { String::new() })
            })
            .collect()
    };
    let getters: String = (0..11)
        .map(|i| format!("/// Getter for the `x{i}` field.\npub fn x{i}() {{}}\n"))
        .collect();
    let cases = [
        ("three of a kind stay", numbered(repeated(3)), 3),
        ("four do not", numbered(repeated(4)), 0),
        ("generated sentences do not", getters, 0),
        ("a copy does not", "/// One of two copies.\npub fn f() {}\n".repeat(2), 1),
    ];
    for (name, text, expected) in cases {
        let text = format!("/// There is always this one.\npub fn always() {{}}\n{text}");
        let dir = tree(&[("p/src/lib.rs", &text)]);
        assert_eq!(read(dir.path()).train.len(), 1 + expected, "{name}");
    }
}

#[test]
fn files_that_are_no_rust_are_counted() {
    let table =
        format!("/// A huge table of numbers.\npub const T: &str = \"{}\";", "0".repeat(1 << 20));
    let dir = tree(&[
        ("p/src/lib.rs", &functions("hello", 2)),
        ("p/src/broken.rs", "/// A function that never ends.\nfn f( {"),
        ("p/src/table.rs", &table),
        ("p/src/notes.txt", "no Rust, and no .rs"),
    ]);
    fs::write(dir.path().join("p/src/latin1.rs"), b"/// Caf\xe9 is no UTF-8 here.\nfn f() {}")
        .unwrap();
    let found = read(dir.path());
    assert_eq!((found.train.len(), found.skipped_files), (2, 3));
}

#[test]
fn long_code_is_cut_at_a_token() {
    let comment = "word ".repeat(300);
    let text = format!("/// Explains itself at length.\nfn f() {{ a(); // {comment}\n b() }}");
    let dir = tree(&[("p/src/lib.rs", &text)]);
    assert_eq!(read(dir.path()).train[0].passage, "fn f() { a();");

    let body: String = (0..300).map(|i| format!("let variable_{i} = {i};\n")).collect();
    let dir =
        tree(&[("p/src/lib.rs", &format!("/// A very long function.\nfn long() {{ {body} }}"))]);
    let passage = &read(dir.path()).train[0].passage;
    assert!((1100..=1200).contains(&passage.len()), "{} bytes", passage.len());
    assert!(passage.starts_with("fn long() { let variable_0 = 0; let"));
}

/// Thirty crates, one of them as large as all others together.
fn many_crates() -> TempDir {
    let files: Vec<(String, String)> = (0..30)
        .map(|i| {
            (
                format!("crate{i}-1.0.0/src/lib.rs"),
                functions(&format!("word{i}"), if i == 7 { 290 } else { 10 }),
            )
        })
        .collect();
    tree(&files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect::<Vec<_>>())
}

#[test]
fn crates_are_split_and_none_is_too_large() {
    let dir = many_crates();
    let found = read(dir.path());
    assert_eq!(found, read(dir.path()), "the same folders give the same corpus");

    let names = |items: &[Item]| {
        let mut names: Vec<String> = items.iter().map(|item| item.crate_name.clone()).collect();
        names.dedup();
        names
    };
    let (train, heldout) = (names(&found.train), names(&found.heldout));
    assert_eq!(train.len() + heldout.len(), 30, "no crate is on both sides");
    assert!((1..=10).contains(&heldout.len()), "{heldout:?}");

    let all = found.train.len() + found.heldout.len();
    let largest =
        found.train.iter().chain(&found.heldout).filter(|i| i.crate_name == "crate7").count();
    assert!(largest as f64 <= 0.08 * all as f64 + 1.0, "{largest} of {all}");
    assert!(largest > 10, "a large crate is thinned out, not dropped");

    let fewer: Vec<Package> = packages_in(&[dir.path().to_owned()])
        .unwrap()
        .into_iter()
        .filter(|package| package.name != "crate7")
        .collect();
    let fewer = corpus(&fewer).unwrap();
    assert!(
        names(&fewer.heldout).iter().all(|name| heldout.contains(name)),
        "a crate does not change sides when another leaves"
    );
}

#[test]
fn training_never_sees_a_heldout_query() {
    let dir = many_crates();
    let heldout = read(dir.path()).heldout[0].query.clone();
    let copy = format!("/// {heldout}\npub fn copied() {{}}\n{}", functions("more", 3));
    let is_trained_on = |name: &str| {
        let other = tree(&[(&format!("{name}/src/lib.rs"), &copy)]);
        let found =
            corpus(&packages_in(&[dir.path().to_owned(), other.path().to_owned()]).unwrap())
                .unwrap();
        let (train, _): (Vec<Item>, Vec<Item>) =
            found.train.into_iter().partition(|i| i.crate_name == name);
        assert!(train.iter().all(|item| item.query != heldout));
        !train.is_empty()
    };
    assert!(
        (0..10).any(|i| is_trained_on(&format!("copy{i}"))),
        "some name falls on training's side"
    );
}

#[test]
fn locked_packages_are_found_where_cargo_keeps_them() {
    let lock = "version = 4\n\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\n\n\
                [[package]]\nname = \"not-downloaded\"\nversion = \"2.0.0\"\n";
    let dir = tree(&[
        ("Cargo.lock", lock),
        ("home/registry/src/index.crates.io-1/a-1.0.0/src/lib.rs", ""),
        ("home/registry/src/index.crates.io-1/a-0.9.0/src/lib.rs", ""),
        ("broken/Cargo.lock", "package = 1"),
        ("empty/Cargo.lock", lock),
    ]);
    let at = |path: &str| dir.path().join(path);
    let found = locked_packages(&at("Cargo.lock"), &at("home")).unwrap();
    let sources = at("home/registry/src/index.crates.io-1/a-1.0.0/src");
    assert_eq!(found, [Package { name: "a".into(), sources }]);

    let errors: [(Error, &[&str]); 3] = [
        (locked_packages(&at("none"), &at("home")).unwrap_err(), &["none"]),
        (
            locked_packages(&at("broken/Cargo.lock"), &at("home")).unwrap_err(),
            &["expected a Cargo.lock"],
        ),
        (locked_packages(&at("Cargo.lock"), &at("empty")).unwrap_err(), &["registry", "--source"]),
    ];
    for (error, parts) in errors {
        let message = error.to_string();
        assert!(parts.iter().all(|part| message.contains(part)), "{message}");
        assert!(message.contains(&dir.path().display().to_string()), "{message}");
    }
    assert!(packages_in(&[at("nowhere")]).is_err());
    let nothing = corpus(&packages_in(&[at("empty")]).unwrap()).unwrap_err().to_string();
    assert!(nothing.contains("expected documented Rust items"), "{nothing}");
}

#[test]
fn own_dependencies_make_a_corpus() {
    let lock: PathBuf = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.lock").into();
    let cargo_home = default_cargo_home().expect("cargo has a home");
    let packages = match locked_packages(&lock, &cargo_home) {
        Err(Error::Nothing { path, .. }) => {
            println!("skipped: cargo keeps no sources in {}", path.display());
            return;
        }
        packages => packages.unwrap(),
    };
    // A fifth of the tree is enough here, and takes seconds.
    let some: Vec<Package> =
        packages.into_iter().filter(|p| p.name.starts_with(['r', 's', 't'])).collect();
    let found = corpus(&some).unwrap();
    let (train, heldout) = (found.train.len(), found.heldout.len());
    println!(
        "{} packages: {train} + {heldout} items, {} files skipped",
        found.packages, found.skipped_files
    );
    assert!(train > 1000 && heldout > 100, "{train} + {heldout}");
    for item in found.train.iter().chain(&found.heldout) {
        let file = fs::read_to_string(&item.file).unwrap();
        let line = file.lines().nth(item.line - 1).unwrap_or_default();
        let start: String = item.passage.chars().take_while(|c| c.is_alphanumeric()).collect();
        assert!(line.contains(&start), "{}:{} is {line:?}", item.file.display(), item.line);
        assert!((1..=1200).contains(&item.passage.len()), "{}", item.path);
        assert!(!item.passage.contains("///"), "{}", item.passage);
    }
}
