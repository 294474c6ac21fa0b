// attention_walk — where the walks of attention's backward go, and what they read of q, k, v, dy and `notes`.
//
// For a shader that declares `params`, q, k, v, dy and `notes` as attention_backward.wgsl does; beside attention_notes.wgsl,
// and attention_tile.wgsl or attention_fragments.wgsl.

fn vec4_of(tensor: u32, at: u32) -> vec4f {
    switch tensor {
        case Q: { return vec4f(q[at]); }
        case K: { return vec4f(k[at]); }
        case V: { return vec4f(v[at]); }
        default: { return vec4f(dy[at]); }
    }
}

// Where a walk begins and ends. `notes` may be written, so WGSL takes what lanes read from it for different:
// one lane decides, and all hear it.
var<workgroup> walk_range: vec2u;

fn agreed(lane: u32, range: vec2u) -> vec2u {
    if lane == 0u {
        walk_range = range;
    }
    return workgroupUniformLoad(&walk_range);
}

// First and last (exclusive) row of the tiles of queries that may see a column from j0 on.
fn rows_that_see(item: u32, j0: u32) -> vec2u {
    if j0 >= seen_by(item, params.queries - 1u) {
        return vec2u(0u);
    }
    // Causal: row i sees column j0 only if i ≥ j0 + T − S.
    let first = select(0u, max(j0 + params.queries, params.keys) - params.keys, params.causal != 0u);
    return vec2u(first - first % TILE_COLUMNS, params.queries);
}

// notes[start + i] of queries i .. i + 3, none of them past the end.
fn notes_of_four(start: u32, i: u32) -> vec4f {
    let at = vec4u(start) + min(vec4u(i, i + 1u, i + 2u, i + 3u), vec4u(params.queries - 1u));
    return vec4f(notes[at.x], notes[at.y], notes[at.z], notes[at.w]);
}

// z of a signed weight; of 0 either does.
fn dropout_of(p: vec4f) -> vec4f {
    return select(vec4f(0.0), vec4f(params.keep_scale), p > vec4f(0.0));
}
