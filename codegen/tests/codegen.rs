//! The committed signatures match their shaders; `UPDATE_KERNELS=1` renews them.

use std::path::Path;

#[test]
fn signatures_are_fresh() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let update = std::env::var_os("UPDATE_KERNELS").is_some();
    let stale = wgrad_codegen::stale_files(root, update).unwrap_or_else(|error| panic!("{error}"));
    assert!(
        stale.is_empty(),
        "stale: {stale:?}; run `UPDATE_KERNELS=1 cargo test -p wgrad-codegen`"
    );
}
