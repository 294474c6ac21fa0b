//! The operations, one file each: how to call it, what it keeps, how it goes back.

mod add;

pub use add::add;
