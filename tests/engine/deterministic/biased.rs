//! The case of biased attention.

use wgrad_engine::Device;
use wgrad_engine::ops::{self, Visibility};

use super::{Bits, dropout, graph, leaf};

/// A bias for all, and one for each head.
pub fn attention_biased(device: &Device) -> Bits {
    let [q, k, v] = [1, 2, 3].map(|seed| leaf(device, [2, 37, 2, 8], seed));
    let visibility = Visibility::all().and_lengths(device, &[37, 20]).and_causal();
    let of = |heads: usize| {
        let bias = leaf(device, [1, heads, 37, 37], 4);
        let dropout = dropout(device);
        let y = ops::attention_biased(&q, &k, &v, &bias, 0.3, &visibility, Some(&dropout));
        graph(&y, &[&q, &k, &v, &bias])
    };
    [of(1), of(2)].concat()
}
