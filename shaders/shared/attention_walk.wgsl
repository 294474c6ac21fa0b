// attention_walk — what the tiled walks of attention's backward share: load rows, multiply tiles, take weights back.
//
// For a shader that declares `params`, q, k, v, dy and `notes` as attention_backward.wgsl does, and CHUNKS = ⌈D/32⌉;
// beside attention_tile.wgsl and attention_notes.wgsl.

// Which tensor a tile is staged from.
const Q: u32 = 0u;
const K: u32 = 1u;
const V: u32 = 2u;
const DY: u32 = 3u;

// What is staged, and for whom.
struct Place {
    item: u32,
    head: u32,
    lane: u32,
}

// Channels 4·c .. of a row, zero past the end.
fn load(tensor: u32, place: Place, row: u32, c: u32) -> vec4f {
    let length = select(params.keys, params.queries, tensor == Q || tensor == DY);
    let width = params.width / 4u;
    if row >= length || c >= width {
        return vec4f(0.0);
    }
    let at = ((place.item * length + row) * params.heads + place.head) * width + c;
    switch tensor {
        case Q: { return vec4f(q[at]); }
        case K: { return vec4f(k[at]); }
        case V: { return vec4f(v[at]); }
        default: { return vec4f(dy[at]); }
    }
}

// Σ over all chunks of ⟨own row, other row⟩ for the lane's 4 × 4, own rows from `row`, other rows from `column`.
fn products(own_tensor: u32, other_tensor: u32, place: Place, row: u32, column: u32) -> mat4x4f {
    var sum = mat4x4f();
    for (var chunk = 0u; chunk < CHUNKS; chunk++) {
        workgroupBarrier();
        for (var at = place.lane; at < TILE_ROWS * CHUNK; at += TILE_LANES) {
            own[at] = load(own_tensor, place, row + at / CHUNK, chunk * CHUNK + at % CHUNK);
        }
        for (var at = place.lane; at < TILE_COLUMNS * CHUNK; at += TILE_LANES) {
            other[swizzled(at / CHUNK, at % CHUNK)] =
                load(other_tensor, place, column + at / CHUNK, chunk * CHUNK + at % CHUNK);
        }
        workgroupBarrier();
        sum = inner_products(sum, place.lane / 8u, place.lane % 8u);
    }
    return sum;
}

// sums + weights · other rows from `column`; weights[r] are those of own row 4·ty + r at columns 4·tx...
fn add_weighted(
    sums: ptr<function, array<mat4x4f, 4>>,
    weights: mat4x4f,
    other_tensor: u32,
    place: Place,
    column: u32,
) {
    let ty = place.lane / 8u;
    let tx = place.lane % 8u;
    workgroupBarrier();
    for (var r = 0u; r < 4u; r++) {
        own[(4u * ty + r) * CHUNK + tx] = weights[r];
    }
    for (var chunk = 0u; chunk < CHUNKS; chunk++) {
        workgroupBarrier();
        for (var at = place.lane; at < TILE_COLUMNS * CHUNK; at += TILE_LANES) {
            other[at] = load(other_tensor, place, column + at / CHUNK, chunk * CHUNK + at % CHUNK);
        }
        workgroupBarrier();
        (*sums)[chunk] = weighted_sums((*sums)[chunk], ty, tx);
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

// Of the lane's four keys (rows) and four queries (columns).
struct KeyTile {
    weights: mat4x4f,  // z ⊙ p
    ds: mat4x4f,       // p ⊙ (z ⊙ ⟨dy, v⟩ − Δ)
}

// The tile of keys j0 .. j0 + 63 and queries i0 .. i0 + 31.
fn backward_tile(place: Place, j0: u32, i0: u32) -> KeyTile {
    let s = products(K, Q, place, j0, i0);
    let dp = products(V, DY, place, j0, i0);
    var by_query = KeyTile();
    for (var c = 0u; c < 4u; c++) {
        let i = i0 + 4u * (place.lane % 8u) + c;
        let j = j0 + 4u * (place.lane / 8u);
        let note = note_of(place.item, place.head, min(i, params.queries - 1u));
        let score = vec4f(s[0][c], s[1][c], s[2][c], s[3][c]) * params.scale;
        let p = select(vec4f(0.0), exp(score - vec4f(notes[note])), visible(place.item, i, j));
        let z = dropout_scale(place.item, place.head, i, j);
        let dp_of_row = vec4f(dp[0][c], dp[1][c], dp[2][c], dp[3][c]);
        let delta = notes[note + params.batch * params.heads * params.queries];
        by_query.weights[c] = z * p;
        by_query.ds[c] = p * (z * dp_of_row - vec4f(delta));
    }
    return KeyTile(transpose(by_query.weights), transpose(by_query.ds));
}
