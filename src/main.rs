//! wgrad: the command line.
fn main() {}
