// token_max_pool — the largest logit of each vocabulary entry over the tokens of a text, and its sparse backward.
//
// math      z_bv = max_t (h_bt·w_v + bias_v) over visible t,  a_bv = the lowest t that reaches it;  0 and NONE if none is seen
//           dh_bt = Σ_{v: a_bv = t} dz_bv·w_v,  dw_v = Σ_b dz_bv·h_b,a_bv,  dbias_v = Σ_b dz_bv  where a_bv ≠ NONE
// source    Formal et al. 2021, arXiv:2107.05720, eq. 1 (SPLADE, before its activation); the bag of words of DupMAE,
//           Xiao et al. 2023, arXiv:2305.02564, §3.2. Monotone functions commute with the maximum, so they come after
// shapes    B texts of T tokens, H channels, V entries; the logits of C rows of B·T at a time
// work      forward: a lane per (text, entry) walks the chunk's tokens of that text; count, scan and fill list the
//           entries of each token by a workgroup per token, each lane a share of V; backward_hidden: a lane per (token,
//           h); backward_weight: a lane per (v, h)
// cost      forward reads C·V words beside the product's; the lists 3·B·T·V; backward_hidden B·V·H words, for the
//           entries with dz ≠ 0 alone; backward_weight B·V·H; 2·B·V·H FLOPs each, a T-th of a dense backward's
// limits    V and B below 65,536 on llvmpipe, where an invocation leaves its loops after as many rounds in all
// numerics  a comparison, no arithmetic; entries of a token stand in order of v, so sums repeat bit for bit

struct Params {
    documents: u32,   // B
    tokens: u32,      // T
    channels: u32,    // H
    vocabulary: u32,  // V
    first: u32,       // row of B·T that the chunk begins with
    rows: u32,        // C, rows of the chunk
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> logits: array<f32>;            // [C, V]
@group(0) @binding(2) var<storage, read> visible: array<u32>;           // [B, T]  0 = hidden
@group(0) @binding(3) var<storage, read_write> z: array<f32>;           // [B, V]
@group(0) @binding(4) var<storage, read_write> positions: array<u32>;   // [B, V]  a, or NONE
@group(0) @binding(5) var<storage, read> dz: array<f32>;                // [B, V]
@group(0) @binding(6) var<storage, read> hidden: array<f32>;            // [B, T, H]
@group(0) @binding(7) var<storage, read> weight: array<f32>;            // [V, H]
@group(0) @binding(8) var<storage, read_write> starts: array<u32>;      // [B, T + 1]  first entry of each token
@group(0) @binding(9) var<storage, read_write> entries: array<u32>;     // [B, V]  v by token, then by v
@group(0) @binding(10) var<storage, read_write> dhidden: array<f32>;    // [B, T, H]
@group(0) @binding(11) var<storage, read_write> dweight: array<f32>;    // [V, H]
@group(0) @binding(12) var<storage, read_write> dbias: array<f32>;      // [V]

const LANES: u32 = 64u;
const NONE: u32 = 0xFFFFFFFFu;

@compute @workgroup_size(LANES)
fn forward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let element = (group.y * groups.x + group.x) * LANES + lane;
    let v = element % params.vocabulary;
    let text = params.first / params.tokens + element / params.vocabulary;
    if text * params.tokens >= params.first + params.rows {
        return;
    }
    let text_start = text * params.tokens;
    let begin = max(text_start, params.first);
    let end = min(text_start + params.tokens, params.first + params.rows);
    let at = text * params.vocabulary + v;
    var most = 0.0;
    var position = NONE;
    if begin > text_start { // the chunk before ended within this text
        most = z[at];
        position = positions[at];
    }
    for (var row = begin; row < end; row++) {
        let logit = logits[(row - params.first) * params.vocabulary + v];
        if visible[row] != 0u && (position == NONE || logit > most) {
            most = logit;
            position = row - text_start;
        }
    }
    z[at] = most;
    positions[at] = position;
}

var<workgroup> lane_counts: array<u32, LANES>;

// Whether entry `at` of [B, V] passes a gradient to token `token`.
fn reaches(at: u32, token: u32) -> bool {
    return positions[at] == token && dz[at] != 0.0;
}

// The entries from `begin` to `end` of the text that begins at `first` which reach `token`.
fn count_between(first: u32, token: u32, begin: u32, end: u32) -> u32 {
    var found = 0u;
    for (var v = begin; v < end; v++) {
        found += select(0u, 1u, reaches(first + v, token));
    }
    return found;
}

// Neighbouring entries that one lane walks, so that the lanes' shares stand in order of v.
fn share() -> u32 {
    return (params.vocabulary + LANES - 1u) / LANES;
}

@compute @workgroup_size(LANES)
fn count(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = group.y * groups.x + group.x;
    if row >= params.documents * params.tokens {
        return;
    }
    let text = row / params.tokens;
    let token = row % params.tokens;
    let begin = min(lane * share(), params.vocabulary);
    let end = min(begin + share(), params.vocabulary);
    lane_counts[lane] = count_between(text * params.vocabulary, token, begin, end);
    workgroupBarrier();
    if lane == 0u {
        var sum = 0u;
        for (var other = 0u; other < LANES; other++) {
            sum += lane_counts[other];
        }
        starts[text * (params.tokens + 1u) + token + 1u] = sum;
    }
}

@compute @workgroup_size(LANES)
fn scan(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let text = (group.y * groups.x + group.x) * LANES + lane;
    if text >= params.documents {
        return;
    }
    let list = text * (params.tokens + 1u);
    var sum = 0u;
    starts[list] = 0u;
    for (var token = 0u; token < params.tokens; token++) {
        sum += starts[list + token + 1u];
        starts[list + token + 1u] = sum;
    }
}

@compute @workgroup_size(LANES)
fn fill(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = group.y * groups.x + group.x;
    if row >= params.documents * params.tokens {
        return;
    }
    let text = row / params.tokens;
    let token = row % params.tokens;
    let first = text * params.vocabulary;
    let begin = min(lane * share(), params.vocabulary);
    let end = min(begin + share(), params.vocabulary);
    lane_counts[lane] = count_between(first, token, begin, end);
    workgroupBarrier();
    var next = first + starts[text * (params.tokens + 1u) + token];
    for (var other = 0u; other < lane; other++) {
        next += lane_counts[other];
    }
    for (var v = begin; v < end; v++) {
        if reaches(first + v, token) {
            entries[next] = v;
            next++;
        }
    }
}

@compute @workgroup_size(LANES)
fn backward_hidden(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let blocks = (params.channels + LANES - 1u) / LANES;
    let block = group.y * groups.x + group.x;
    let row = block / blocks;
    let h = block % blocks * LANES + lane;
    if row >= params.documents * params.tokens || h >= params.channels {
        return;
    }
    let text = row / params.tokens;
    let first = text * params.vocabulary;
    let list = text * (params.tokens + 1u) + row % params.tokens;
    let end = starts[list + 1u];
    var sum = 0.0;
    for (var entry = starts[list]; entry < end; entry++) {
        let v = entries[first + entry];
        sum += dz[first + v] * weight[v * params.channels + h];
    }
    dhidden[row * params.channels + h] = sum;
}

@compute @workgroup_size(LANES)
fn backward_weight(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let element = (group.y * groups.x + group.x) * LANES + lane;
    if element >= params.vocabulary * params.channels {
        return;
    }
    let v = element / params.channels;
    let h = element % params.channels;
    var sum = 0.0;
    for (var text = 0u; text < params.documents; text++) {
        let at = text * params.vocabulary + v;
        let position = positions[at];
        if position != NONE && dz[at] != 0.0 {
            sum += dz[at] * hidden[(text * params.tokens + position) * params.channels + h];
        }
    }
    dweight[element] = sum;
}

@compute @workgroup_size(LANES)
fn backward_bias(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let v = (group.y * groups.x + group.x) * LANES + lane;
    if v >= params.vocabulary {
        return;
    }
    var sum = 0.0;
    for (var text = 0u; text < params.documents; text++) {
        let at = text * params.vocabulary + v;
        sum += select(dz[at], 0.0, positions[at] == NONE);
    }
    dbias[v] = sum;
}
