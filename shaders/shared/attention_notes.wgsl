// attention_notes — what a walk of attention's backward reads in `notes`: L and Δ, who sees whom, what was dropped.
//
// For a shader that declares `params` and `notes` as attention_backward.wgsl does, and uses philox.wgsl.

// Where L of a row lies in `notes`; Δ lies B·A·T further.
fn note_of(item: u32, head: u32, i: u32) -> u32 {
    return 4u + params.batch + (item * params.heads + head) * params.queries + i;
}

// Length and causality leave columns 0 .. seen_by(item, i) to row i.
fn seen_by(item: u32, i: u32) -> u32 {
    var seen = params.keys;
    if params.has_lengths != 0u {
        seen = min(seen, u32(notes[4u + item]));
    }
    if params.causal != 0u {
        seen = min(seen, max(i + 1u + params.keys, params.queries) - params.queries);
    }
    return seen;
}

// Which of the columns j .. j + 3 row i sees; no row past the end sees any, and no column past it is seen.
fn visible(item: u32, i: u32, j: u32) -> vec4<bool> {
    let column = vec4u(j, j + 1u, j + 2u, j + 3u);
    var seen = column < vec4u(select(0u, seen_by(item, i), i < params.queries));
    if params.has_bits != 0u && i < params.queries && j < params.keys {
        let words = (params.keys + 31u) / 32u;
        let start = 4u + params.batch + 2u * params.batch * params.heads * params.queries;
        let half = u32(notes[start + (item * params.queries + i) * words * 2u + j / 16u]);
        seen = seen & (((vec4u(half) >> (column & vec4u(15u))) & vec4u(1u)) != vec4u(0u));
    }
    return seen;
}

// z of row i at the columns j .. j + 3.
fn dropout_scale(item: u32, head: u32, i: u32, j: u32) -> vec4f {
    if params.threshold == 0u {
        return vec4f(1.0);
    }
    let words = vec2u(u32(notes[0]), u32(notes[2])) | (vec2u(u32(notes[1]), u32(notes[3])) << vec2u(16u));
    let row = item * params.queries + i + params.first_row;
    let word = philox(vec4u(j / 4u, row, params.site, head), words);
    return select(vec4f(0.0), vec4f(params.keep_scale), word >= vec4u(params.threshold));
}
