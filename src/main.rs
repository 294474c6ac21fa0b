//! wgrad: the command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    wgrad::cli::main()
}
