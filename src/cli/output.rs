//! Whether a file can be written, asked before the work and not after it.

use std::path::Path;

use super::Failure;
use crate::data::atomic;

/// Checks that a file can be written at `out`, the value of `flag`. Call it before anything that takes time.
///
/// # Errors
/// One line that names the flag, the path, and what is in the way.
pub(crate) fn expect_writable(flag: &str, out: &Path) -> Result<(), Failure> {
    let Err(error) = atomic::check_writable(out) else { return Ok(()) };
    let folder = atomic::parent_of(out);
    let found = folder.display();
    let problem = if out.is_dir() {
        "there is a folder of that name".to_string()
    } else if folder.is_dir() {
        error.to_string()
    } else if folder.exists() {
        format!("{found} is no folder")
    } else {
        format!("the folder {found} does not exist; make it first")
    };
    let out = out.display();
    Err(format!("{flag} {out}: expected a file that can be written, but {problem}").into())
}
