//! Who may name whom: between crates by their manifests, between modules by the paths they write.

use std::collections::BTreeSet;

use super::paths::{Named, paths};
use super::tables::{DOCUMENT, Row, table};
use super::tree::{Offence, Tree, assert_offences};

/// The crates whose modules keep walls: the folder, and the name other crates know it by.
const WALLED: [(&str, &str); 2] = [("src/", "wgrad"), ("engine/src/", "wgrad_engine")];

/// Manifests depend on our crates as the table `crates` allows. Tests may depend on everything.
pub fn crates(tree: &Tree) -> Vec<Offence> {
    let rows = table(tree, "crates");
    let mut offences = Vec::new();
    for (path, text) in tree.files("", "toml").filter(|(path, _)| path.ends_with("Cargo.toml")) {
        let manifest: toml::Table =
            text.parse().unwrap_or_else(|error| panic!("{path}: expected TOML: {error}"));
        let package = manifest.get("package").and_then(|package| package.get("name"));
        let Some(package) = package.and_then(toml::Value::as_str) else { continue };
        let Some(row) = rows.iter().find(|row| row.cell(0) == package) else {
            let what = format!("the crate {package} has no row in {DOCUMENT}; add one");
            offences.push(Offence::new(path, 1, what));
            continue;
        };
        let dependencies = ["dependencies", "build-dependencies"]
            .into_iter()
            .filter_map(|section| manifest.get(section)?.as_table())
            .flat_map(|section| section.keys());
        for dependency in dependencies.filter(|name| rows.iter().any(|row| row.cell(0) == *name)) {
            if !row.names(1).contains(&dependency.as_str()) {
                let line = text.lines().position(|line| line.starts_with(dependency.as_str()));
                let what =
                    format!("{package} → {dependency} is no arrow of {DOCUMENT}:{}", row.line);
                offences.push(Offence::new(path, 1 + line.unwrap_or(0), what));
            }
        }
    }
    offences
}

/// Modules name modules, and crates of ours, as the table `modules` allows.
pub fn modules(tree: &Tree) -> Vec<Offence> {
    let rows = table(tree, "modules");
    let crate_rows = table(tree, "crates");
    let our_crates: Vec<String> =
        crate_rows.iter().map(|row| row.cell(0).replace('-', "_")).collect();
    let mut offences = Vec::new();
    for (root, own_crate) in WALLED {
        let known: BTreeSet<&str> =
            tree.files(root, "rs").map(|(p, _)| module_of(p, root)).collect();
        for (path, text) in tree.files(root, "rs") {
            let module = module_of(path, root);
            if module == "lib" {
                continue; // the facade names everything
            }
            let row = rows.iter().find(|row| row.cell(0) == root && row.cell(1) == module);
            let Some(row) = row else {
                let what = format!("the module {root}{module} has no row in {DOCUMENT}; add one");
                offences.push(Offence::new(path, 1, what));
                continue;
            };
            for named in paths(path, text) {
                let what = match target(&named, path, root, own_crate, &our_crates) {
                    Target::Module(name, _) if name == module => continue,
                    Target::Module(name, within) if known.contains(name.as_str()) => {
                        if allows(row, &name, within.as_deref()) {
                            continue;
                        }
                        format!("{module} → {name} is no arrow of {DOCUMENT}:{}", row.line)
                    }
                    Target::Module(name, _) => {
                        format!("`crate::{name}` is no module; name it by the module it is from")
                    }
                    Target::Crate(name) if allows(row, &name, None) => continue,
                    Target::Crate(name) => {
                        format!("{module} → {name} is no arrow of {DOCUMENT}:{}", row.line)
                    }
                    Target::Other => continue,
                };
                offences.push(Offence::new(path, named.line, what));
            }
        }
    }
    offences
}

/// What a path leads to.
enum Target {
    /// A module of the same crate, and what is named in it.
    Module(String, Option<String>),
    /// A crate of ours.
    Crate(String),
    Other,
}

fn target(named: &Named, path: &str, root: &str, own_crate: &str, our_crates: &[String]) -> Target {
    let mut segments = named.segments.iter().cloned();
    let first = segments.next().unwrap_or_default();
    let in_binary = module_of(path, root) == "main";
    let (module, within) = if first == "crate" || (first == own_crate && in_binary) {
        (segments.next(), segments.next())
    } else if first == "super" {
        let mut at = module_path(path, root);
        at.extend((0..named.depth).map(|_| "inline".to_string()));
        at.pop();
        for segment in segments {
            if segment == "super" {
                at.pop();
            } else {
                at.push(segment);
            }
        }
        let mut at = at.into_iter();
        (at.next(), at.next())
    } else if our_crates.contains(&first) && named.segments.len() > 1 && first != own_crate {
        return Target::Crate(first);
    } else {
        return Target::Other;
    };
    module.map_or(Target::Other, |module| Target::Module(module, within))
}

/// Does the row's third cell hold `anything`, the name, or the name with what is named in it?
fn allows(row: &Row, name: &str, within: Option<&str>) -> bool {
    row.names(2).iter().any(|&allowed| match allowed.split_once("::") {
        Some((module, only)) => module == name && within == Some(only),
        None => allowed == name || allowed == "anything",
    })
}

/// `engine/src/device/gpu.rs` under `engine/src/` belongs to `device`.
fn module_of<'a>(path: &'a str, root: &str) -> &'a str {
    let inside = path[root.len()..].trim_end_matches(".rs");
    inside.split('/').next().unwrap_or(inside)
}

/// `src/train/chart/axis.rs` is `train::chart::axis`, `src/train/mod.rs` is `train`.
fn module_path(path: &str, root: &str) -> Vec<String> {
    let names = path[root.len()..].trim_end_matches(".rs").split('/').map(str::to_string);
    names.filter(|name| name != "mod" && name != "main" && name != "lib").collect()
}

#[test]
fn an_arrow_that_is_not_in_the_table_is_refused() {
    let document = "<!-- tidy: crates -->\n| a | b |\n|---|---|\n| wgrad | wgrad-engine |\n\
                    | wgrad-engine | nothing |\n| wgrad-losses | wgrad-engine |\n\n\
                    <!-- tidy: modules -->\n| a | b | c |\n|---|---|---|\n\
                    | src/ | main | cli |\n| src/ | cli | data |\n| src/ | data | nothing |\n\
                    | engine/src/ | ops | tensor |\n| engine/src/ | tensor | nothing |\n\
                    | engine/src/ | backward | tensor, ops::add |\n| engine/src/ | testing | anything |\n";
    let tree = Tree::made_up([
        (DOCUMENT, document),
        ("Cargo.toml", "[package]\nname = \"wgrad\"\n[dependencies]\nwgrad-engine = \"1\"\n"),
        (
            "losses/Cargo.toml",
            "[package]\nname = \"wgrad-losses\"\n[dependencies]\nserde = \"1\"\nwgrad = \"1\"\n\
             [dev-dependencies]\nwgrad = \"1\"\n",
        ),
        ("new/Cargo.toml", "[package]\nname = \"new\"\n"),
        ("src/lib.rs", "pub mod cli; pub mod data; pub use crate::cli::x;"),
        ("src/main.rs", "use wgrad::cli;\nuse wgrad::data::Shards;"),
        ("src/cli/mod.rs", "use crate::data;\nuse wgrad_engine::Tensor;"),
        (
            "src/data/mod.rs",
            "use super::cli::run;\nmod inner { use super::super::cli; use super::x; }",
        ),
        (
            "src/data/deep/a.rs",
            "use super::super::super::cli;\nuse super::super::x;\nuse super::b;",
        ),
        ("src/extra.rs", ""),
        ("engine/src/ops/add.rs", "use crate::tensor::{Tensor, Node};\nuse crate::backward::walk;"),
        ("engine/src/tensor.rs", "fn f() { m!(crate::ops::add()) }\nuse crate::Shape;"),
        ("engine/src/backward.rs", "use crate::ops::add;\nuse crate::ops::{add, gelu};"),
        ("engine/src/testing/mod.rs", "use crate::{ops, tensor, backward};"),
    ]);
    let expected = [
        ("losses/Cargo.toml:5", "wgrad-losses → wgrad is no arrow of docs/ARCHITECTURE.md:6"),
        ("new/Cargo.toml:1", "the crate new has no row"),
    ];
    assert_offences(&crates(&tree), &expected);
    let expected = [
        ("src/cli/mod.rs:2", "cli → wgrad_engine"),
        ("src/data/deep/a.rs:1", "data → cli"),
        ("src/data/mod.rs:1", "data → cli"),
        ("src/data/mod.rs:2", "data → cli"),
        ("src/extra.rs:1", "the module src/extra has no row"),
        ("src/main.rs:2", "main → data"),
        ("engine/src/backward.rs:2", "backward → ops"),
        ("engine/src/ops/add.rs:2", "ops → backward"),
        ("engine/src/tensor.rs:1", "tensor → ops"),
        ("engine/src/tensor.rs:2", "`crate::Shape` is no module"),
    ];
    assert_offences(&modules(&tree), &expected);
}
