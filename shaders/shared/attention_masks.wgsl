// attention_masks — what attention's forward reads beside the rows it mixes: who sees whom, what was dropped.
//
// For a shader that declares `params` and the bindings of attention.wgsl, and uses philox.wgsl;
// beside attention_tile.wgsl or attention_fragments.wgsl.

// Length and causality leave columns 0 .. seen_by(item, i) to row i.
fn seen_by(item: u32, i: u32) -> u32 {
    var seen = params.keys;
    if params.has_lengths != 0u {
        seen = min(seen, lengths[item]);
    }
    if params.causal != 0u {
        seen = min(seen, max(i + 1u + params.keys, params.queries) - params.queries);
    }
    return seen;
}

// Which of the columns j .. j + 3 row i sees.
fn visible(item: u32, i: u32, j: u32) -> vec4<bool> {
    let column = vec4u(j, j + 1u, j + 2u, j + 3u);
    var seen = column < vec4u(seen_by(item, i));
    if params.has_bits != 0u && i < params.queries {
        let word = bits[(item * params.queries + i) * ((params.keys + 31u) / 32u) + j / 32u];
        seen = seen & (((vec4u(word) >> (column & vec4u(31u))) & vec4u(1u)) != vec4u(0u));
    }
    return seen;
}

// z of row i at the columns j .. j + 3.
fn dropout_scale(item: u32, head: u32, i: u32, j: u32) -> vec4f {
    let row = item * params.queries + i + params.first_row;
    let word = philox(vec4u(j / 4u, row, params.site, head), vec2u(key[0], key[1]));
    return select(vec4f(0.0), vec4f(params.keep_scale), word >= vec4u(params.threshold));
}

fn vec4_of(tensor: u32, at: u32) -> vec4f {
    switch tensor {
        case Q: { return vec4f(q[at]); }
        case K: { return vec4f(k[at]); }
        default: { return vec4f(v[at]); }
    }
}
