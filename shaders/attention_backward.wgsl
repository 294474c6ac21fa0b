// attention_backward — gradients of attention: one walk over the keys for dQ, one over the queries for dK and dV.
//
// math      forward: p_ij = exp(s_ij − L_i),  s_ij = scale·⟨q_i, k_j⟩,  y_i = Σ_j z_ij·p_ij·v_j
//           Δ_i = ⟨dy_i, y_i⟩,  ds_ij = p_ij·(z_ij·⟨dy_i, v_j⟩ − Δ_i)
//           dq_i = scale·Σ_j ds_ij·k_j,  dk_j = scale·Σ_i ds_ij·q_i,  dv_j = Σ_i z_ij·p_ij·dy_i
// source    Dao 2023, arXiv:2307.08691, algorithm 2, with its atomic additions to dQ replaced by a second walk
// shapes    as attention.wgsl
// work      backward_rows: one lane per note. backward_queries: one workgroup per (64 queries, head, item) walks over
//           tiles of 32 keys, dispatch (⌈T/64⌉, A, B). backward_keys: one per (64 keys, head, item) over tiles of 32 queries
// cost      6·B·A·T·S·D FLOPs for dQ and 8·B·A·T·S·D for dK and dV; every gradient is written once, by one owner
// limits    a stage may bind eight storage buffers, so all that the walks read beside q, k, v and dy lies in one, `notes`:
//           the key as four 16-bit halves · B lengths · L [B, A, T] · Δ [B, A, T] · the bits as halves [B, T, ⌈S/32⌉, 2];
//           its integers are below 2²⁴, which f32 holds exactly
// numerics  hidden weights are 0 by select
// uses      shared/attention_tile.wgsl, shared/philox.wgsl

struct Params {
    batch: u32,        // B
    queries: u32,      // T
    keys: u32,         // S
    heads: u32,        // A
    width: u32,        // D
    scale: f32,        // usually 1/√D
    causal: u32,       // 1: row i sees columns j ≤ i + S − T
    has_lengths: u32,  // 1: item b sees columns j < lengths[b]
    has_bits: u32,     // 1: row i sees column j if bit j of its row of bits is set
    threshold: u32,    // a word below it drops the weight; 0: no dropout
    keep_scale: f32,   // 1/(1 − probability)
    site: u32,         // which dropout of the model
    first_row: u32,    // number of row 0 of item 0 in the counters of dropout
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> q: array<vec4f>;            // [B, T, A, D]
@group(0) @binding(2) var<storage, read> k: array<vec4f>;            // [B, S, A, D]
@group(0) @binding(3) var<storage, read> v: array<vec4f>;            // [B, S, A, D]
@group(0) @binding(4) var<storage, read> y: array<vec4f>;            // [B, T, A, D]
@group(0) @binding(5) var<storage, read> dy: array<vec4f>;           // [B, T, A, D]
@group(0) @binding(6) var<storage, read> lse: array<f32>;            // [B, A, T]  L
@group(0) @binding(7) var<storage, read> lengths: array<u32>;        // [B], or anything if not has_lengths
@group(0) @binding(8) var<storage, read> bits: array<u32>;           // [B, T, ⌈S/32⌉], or anything if not has_bits
@group(0) @binding(9) var<storage, read> key: array<u32>;            // [2] the step's key of dropout
@group(0) @binding(10) var<storage, read_write> notes: array<f32>;   // [4 + B + 2·B·A·T + 2·B·T·⌈S/32⌉], without the last term if not has_bits
@group(0) @binding(11) var<storage, read_write> dq: array<vec4f>;    // [B, T, A, D]
@group(0) @binding(12) var<storage, read_write> dk: array<vec4f>;    // [B, S, A, D]
@group(0) @binding(13) var<storage, read_write> dv: array<vec4f>;    // [B, S, A, D]

override CHUNKS: u32 = 4u;  // ⌈D/32⌉

const ROW_LANES: u32 = 64u;

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

// Where a walk ends. `notes` may be written, so WGSL takes what lanes read from it for different: one lane decides.
var<workgroup> walk_end: u32;

// Where L of a row lies in `notes`; Δ lies B·A·T further.
fn note_of(place: Place, i: u32) -> u32 {
    return 4u + params.batch + (place.item * params.heads + place.head) * params.queries + i;
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

// Which of the columns j .. j + 3 row i sees; no row past the end sees any.
fn visible(item: u32, i: u32, j: u32) -> vec4<bool> {
    let column = vec4u(j, j + 1u, j + 2u, j + 3u);
    var seen = column < vec4u(select(0u, seen_by(item, i), i < params.queries));
    if params.has_bits != 0u && i < params.queries {
        let words = (params.keys + 31u) / 32u;
        let start = 4u + params.batch + 2u * params.batch * params.heads * params.queries;
        let half = u32(notes[start + (item * params.queries + i) * words * 2u + j / 16u]);
        seen = seen & (((vec4u(half) >> (column & vec4u(15u))) & vec4u(1u)) != vec4u(0u));
    }
    return seen;
}

// z of row i at the columns j .. j + 3.
fn dropout_scale(place: Place, i: u32, j: u32) -> vec4f {
    if params.threshold == 0u {
        return vec4f(1.0);
    }
    let words = vec2u(u32(notes[0]), u32(notes[2])) | (vec2u(u32(notes[1]), u32(notes[3])) << vec2u(16u));
    let row = place.item * params.queries + i + params.first_row;
    let word = philox(vec4u(j / 4u, row, params.site, place.head), words);
    return select(vec4f(0.0), vec4f(params.keep_scale), word >= vec4u(params.threshold));
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
        case Q: { return q[at]; }
        case K: { return k[at]; }
        case V: { return v[at]; }
        default: { return dy[at]; }
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

@compute @workgroup_size(ROW_LANES)
fn backward_rows(
    @builtin(global_invocation_id) id: vec3u,
    @builtin(num_workgroups) groups: vec3u,
) {
    let note = id.y * groups.x * ROW_LANES + id.x;
    let rows = params.batch * params.heads * params.queries;
    let lse_start = 4u + params.batch;
    let delta_start = lse_start + rows;
    let bits_start = delta_start + rows;
    let halves = 2u * params.batch * params.queries * ((params.keys + 31u) / 32u);
    if note < 4u {
        notes[note] = f32((key[note / 2u] >> (16u * (note % 2u))) & 0xFFFFu);
    } else if note < lse_start {
        notes[note] = f32(select(params.keys, lengths[note - 4u], params.has_lengths != 0u));
    } else if note < delta_start {
        notes[note] = lse[note - lse_start];
    } else if note < bits_start {
        let row = note - delta_start;  // of [B, A, T]; y lies as [B, T, A, D]
        let head = (row / params.queries) % params.heads;
        let item = row / (params.queries * params.heads);
        let width = params.width / 4u;
        let start = ((item * params.queries + row % params.queries) * params.heads + head) * width;
        var delta = 0.0;
        for (var c = 0u; c < width; c++) {
            delta += dot(dy[start + c], y[start + c]);
        }
        notes[note] = delta;
    } else if params.has_bits != 0u && note < bits_start + halves {
        let half = note - bits_start;
        notes[note] = f32((bits[half / 2u] >> (16u * (half % 2u))) & 0xFFFFu);
    }
}

@compute @workgroup_size(TILE_LANES)
fn backward_queries(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let place = Place(group.z, group.y, lane);
    let i0 = group.x * TILE_ROWS;
    let ty = lane / 8u;
    let tx = lane % 8u;
    let rows = params.batch * params.heads * params.queries;

    var sums: array<mat4x4f, 4>;  // dq / scale: [chunk][row] of four channels
    if lane == 0u {
        walk_end = seen_by(place.item, min(i0 + TILE_ROWS, params.queries) - 1u);
    }
    let end = workgroupUniformLoad(&walk_end);
    for (var j0 = 0u; j0 < end; j0 += TILE_COLUMNS) {
        let s = products(Q, K, place, i0, j0);
        let dp = products(DY, V, place, i0, j0);
        var ds = mat4x4f();
        for (var r = 0u; r < 4u; r++) {
            let i = i0 + 4u * ty + r;
            let j = j0 + 4u * tx;
            let note = note_of(place, min(i, params.queries - 1u));
            let weight = exp(s[r] * params.scale - vec4f(notes[note]));
            let p = select(vec4f(0.0), weight, visible(place.item, i, j));
            ds[r] = p * (dropout_scale(place, i, j) * dp[r] - vec4f(notes[note + rows]));
        }
        add_weighted(&sums, ds, K, place, j0);
    }
    for (var r = 0u; r < 4u; r++) {
        let i = i0 + 4u * ty + r;
        for (var chunk = 0u; chunk < CHUNKS; chunk++) {
            let c = chunk * CHUNK + tx;
            if i < params.queries && c < params.width / 4u {
                let row = (place.item * params.queries + i) * params.heads + place.head;
                dq[row * (params.width / 4u) + c] = params.scale * sums[chunk][r];
            }
        }
    }
}

@compute @workgroup_size(TILE_LANES)
fn backward_keys(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let place = Place(group.z, group.y, lane);
    let j0 = group.x * TILE_ROWS;
    let ty = lane / 8u;
    let tx = lane % 8u;
    let rows = params.batch * params.heads * params.queries;

    var sums_k: array<mat4x4f, 4>;  // dk / scale: [chunk][row] of four channels
    var sums_v: array<mat4x4f, 4>;  // dv
    // Row i sees column j0 only if i ≥ j0 + T − S; and no row sees columns past the length.
    let first = select(0u, max(j0 + params.queries, params.keys) - params.keys, params.causal != 0u);
    if lane == 0u {
        walk_end = select(params.queries, 0u, j0 >= seen_by(place.item, params.queries - 1u));
    }
    let end = workgroupUniformLoad(&walk_end);
    for (var i0 = first - first % TILE_COLUMNS; i0 < end; i0 += TILE_COLUMNS) {
        let s = products(K, Q, place, j0, i0);    // [own key][query]
        let dp = products(V, DY, place, j0, i0);
        var weights = mat4x4f();                  // z ⊙ p, transposed as s
        var ds = mat4x4f();
        for (var c = 0u; c < 4u; c++) {
            let i = i0 + 4u * tx + c;
            let j = j0 + 4u * ty;
            let note = note_of(place, min(i, params.queries - 1u));
            let score = vec4f(s[0][c], s[1][c], s[2][c], s[3][c]) * params.scale;
            let p = select(vec4f(0.0), exp(score - vec4f(notes[note])), visible(place.item, i, j));
            let z = dropout_scale(place, i, j);
            let dp_of_row = vec4f(dp[0][c], dp[1][c], dp[2][c], dp[3][c]);
            weights[c] = z * p;
            ds[c] = p * (z * dp_of_row - vec4f(notes[note + rows]));
        }
        add_weighted(&sums_v, transpose(weights), DY, place, i0);
        add_weighted(&sums_k, transpose(ds), Q, place, i0);
    }
    for (var r = 0u; r < 4u; r++) {
        let j = j0 + 4u * ty + r;
        for (var chunk = 0u; chunk < CHUNKS; chunk++) {
            let c = chunk * CHUNK + tx;
            if j < params.keys && c < params.width / 4u {
                let row = (place.item * params.keys + j) * params.heads + place.head;
                dk[row * (params.width / 4u) + c] = params.scale * sums_k[chunk][r];
                dv[row * (params.width / 4u) + c] = sums_v[chunk][r];
            }
        }
    }
}
