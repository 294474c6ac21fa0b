//! The operations, one file each: how to call it, what it keeps, how it goes back.

mod add;
mod attention;
mod visibility;

pub use add::add;
pub use attention::attention;
pub use visibility::Visibility;
