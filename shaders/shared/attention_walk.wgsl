// attention_walk — what the tiled walks of attention's backward share: where they go, and what a tile of keys takes from its queries.
//
// For a shader that declares `params`, q, k, v, dy and `notes` as attention_backward.wgsl does, and CHUNKS = ⌈D/32⌉;
// beside attention_tile.wgsl and attention_notes.wgsl.

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

// First and last (exclusive) row of the tiles of 32 queries that may see a column from j0 on.
fn rows_that_see(item: u32, j0: u32) -> vec2u {
    if j0 >= seen_by(item, params.queries - 1u) {
        return vec2u(0u);
    }
    // Causal: row i sees column j0 only if i ≥ j0 + T − S.
    let first = select(0u, max(j0 + params.queries, params.keys) - params.keys, params.causal != 0u);
    return vec2u(first - first % TILE_COLUMNS, params.queries);
}

// Of keys j0 .. j0 + 63 and queries i0 .. i0 + 31, the lane's eight and four: p, negative where dropped. The sign says
// later what Philox said here.
fn signed_weights(place: Place, j0: u32, i0: u32) -> array<vec4f, 8> {
    var p = products(K, Q, place, j0, i0);
    let i = i0 + 4u * (place.lane % 8u);
    let lse = notes_of_four(note_of(place.item, place.head, 0u), i);
    for (var h = 0u; h < 2u; h++) {
        let j = j0 + 8u * (place.lane / 8u) + 4u * h;
        var signs: mat4x4f;  // [query][key]  0 where hidden
        for (var c = 0u; c < 4u; c++) {
            let kept = dropout_scale(place.item, place.head, i + c, j) > vec4f(0.0);
            let sign = select(vec4f(-1.0), vec4f(1.0), kept);
            signs[c] = select(vec4f(0.0), sign, visible(place.item, i + c, j));
        }
        signs = transpose(signs);
        for (var n = 0u; n < 4u; n++) {
            let weight = signs[n] * exp(p[4u * h + n] * params.scale - lse);
            p[4u * h + n] = select(vec4f(0.0), weight, signs[n] != vec4f(0.0));
        }
    }
    return p;
}

// z of a signed weight; of 0 either does.
fn dropout_of(p: vec4f) -> vec4f {
    return select(vec4f(0.0), vec4f(params.keep_scale), p > vec4f(0.0));
}

// What the queries add to the lane's rows of dv, with p as above.
fn add_to_dv(sums: ptr<function, array<vec4f, 16>>, p: array<vec4f, 8>, place: Place, i0: u32) {
    var weights = p;
    for (var r = 0u; r < 8u; r++) {
        weights[r] *= dropout_of(p[r]);
    }
    add_weighted(sums, weights, DY, place, i0);
}

// And to those of dk: ds = p ⊙ (z ⊙ ⟨dy, v⟩ − Δ), which stays in `own`.
fn add_to_dk(sums: ptr<function, array<vec4f, 16>>, p: array<vec4f, 8>, place: Place, j0: u32, i0: u32) {
    var ds = products(V, DY, place, j0, i0);
    let delta_start = note_of(place.item, place.head, 0u) + params.batch * params.heads * params.queries;
    let delta = notes_of_four(delta_start, i0 + 4u * (place.lane % 8u));
    for (var r = 0u; r < 8u; r++) {
        ds[r] = abs(p[r]) * (dropout_of(p[r]) * ds[r] - delta);
    }
    add_weighted(sums, ds, Q, place, i0);
}

// notes[start + i] of queries i .. i + 3, none of them past the end.
fn notes_of_four(start: u32, i: u32) -> vec4f {
    let at = vec4u(start) + min(vec4u(i, i + 1u, i + 2u, i + 3u), vec4u(params.queries - 1u));
    return vec4f(notes[at.x], notes[at.y], notes[at.z], notes[at.w]);
}
