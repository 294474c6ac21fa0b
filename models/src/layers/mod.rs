//! Blocks that several papers define alike, each with its parameters.

mod conv1d;
mod layer_norm;
mod linear;
mod mode;

pub use conv1d::Conv1d;
pub use layer_norm::LayerNorm;
pub use linear::Linear;
pub use mode::Mode;

/// Why the attention of a model of `hidden` channels cannot have so many `heads`, if it cannot: `[keys]` name both.
pub fn heads_that_do_not_fit(hidden: usize, heads: usize, keys: [&str; 2]) -> Option<String> {
    let [h, a] = keys;
    if !hidden.is_multiple_of(heads) {
        return Some(format!("{h} {hidden} is no multiple of {a} {heads}"));
    }
    let channels = hidden / heads;
    let fits = channels.is_multiple_of(4) && channels <= 128;
    (!fits).then(|| {
        format!(
            "{h} {hidden} in {a} {heads} is {channels} a head, expected a multiple of 4 up to 128"
        )
    })
}
