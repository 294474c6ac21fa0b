// attention_relative — softmax(s)·V of every head, where s also knows how far a key lies from the query and whether it is of its segment.
//
// math      s_ij = scale·((q_i + u)·k_j + (q_i + w)·r_{j + Q − t_i} + e_i·g_ij)
//           g_ij = 1 where the segments of i and j differ, 0 elsewhere; e is that of relative_segments.wgsl
//           L_i = log Σ_j exp(s_ij),  p_ij = exp(s_ij − L_i)  over the columns j visible to row i
//           y_i = Σ_j z_ij·p_ij·v_j,  z_ij = 0 where dropped, 1/(1 − probability) where kept
//           a row that sees nothing has y_i = 0 and L_i = 10³⁰, so that exp(s − L) is 0 in backward
// source    Yang et al. 2019, arXiv:1906.08237, §2.2 to §2.5; the shift: Dai et al. 2019, arXiv:1901.02860, appendix B
// shapes    B items, T queries, S keys, A heads of D channels, D a multiple of 4 up to 128; queries are tokens t_i of Q, the table
//           of r has Q + S rows, the first unused
// work      forward_notes: one lane per note. forward: one workgroup per (64 queries, 64 channels of Y, head, item), walking over
//           tiles of 32 keys and the 95 distances of each; dispatch (⌈T/64⌉, A·⌈D/64⌉, B)
// cost      6·B·A·T·S·D FLOPs (10 where D is above 64); words: Q and Y once, K and V ⌈T/64⌉ times, r three times as often; tiles
//           that no row sees are skipped
// limits    a stage may bind eight storage buffers, so masks, places, segments, e and key are packed into one, `notes`
//           (shared/relative_notes.wgsl), and u and w lie in one
// numerics  hidden scores are −10³⁰ and leave by select: no infinity, no 0/0; Σp is taken before dropout
// uses      shared/combine.wgsl, shared/attention_place.wgsl, shared/relative_notes.wgsl, shared/relative_tile.wgsl, shared/relative_sums.wgsl, shared/philox.wgsl

struct Params {
    batch: u32,           // B
    queries: u32,         // T
    keys: u32,            // S
    heads: u32,           // A
    width: u32,           // D
    distances: u32,       // Q + S
    scale: f32,           // 1/√D
    causal: u32,          // 1: row i sees columns j ≤ t_i + S − Q
    has_lengths: u32,     // 1: item b sees columns j < lengths[b]
    has_bits: u32,        // 1: row i sees column j if bit j of its row of bits is set
    has_places: u32,      // 1: t_i = places[b, i]; 0: t_i = i
    has_segments: u32,    // 1: scores have the term e·g
    threshold: u32,       // a word below it drops the weight; 0: no dropout
    keep_scale: f32,      // 1/(1 − probability)
    site: u32,            // which dropout of the model
    first_row: u32,       // number of row 0 of item 0 in the counters of dropout
    first_head: u32,      // for the software variant: head at which a chunk begins
    first_item: u32,      // likewise: item at which it begins
    some_items: u32,      // likewise: how many items it has of each head
    first_query: u32,     // likewise: query at which it begins
    some_queries: u32,    // likewise: how many it has of each item
    first_distance: u32,  // likewise: number of the first row of r that these may meet
    some_distances: u32,  // likewise: how many there are from there on
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> q: array<Element4>;          // [B, T, A, D]
@group(0) @binding(2) var<storage, read> k: array<Element4>;          // [B, S, A, D]
@group(0) @binding(3) var<storage, read> v: array<Element4>;          // [B, S, A, D]
@group(0) @binding(4) var<storage, read> table: array<vec4f>;         // [Q + S, A, D]  r
@group(0) @binding(5) var<storage, read> biases: array<vec4f>;        // [2, A, D]  u, w
@group(0) @binding(6) var<storage, read> lengths: array<u32>;         // [B], or anything if not has_lengths
@group(0) @binding(7) var<storage, read> bits: array<u32>;            // [B, T, ⌈S/32⌉], or anything if not has_bits
@group(0) @binding(8) var<storage, read> places: array<u32>;          // [B, T]  t, or anything if not has_places
@group(0) @binding(9) var<storage, read> query_segments: array<u32>;  // [B, T], or anything if not has_segments
@group(0) @binding(10) var<storage, read> key_segments: array<u32>;   // [B, S], or anything if not has_segments
@group(0) @binding(11) var<storage, read> slopes: array<f32>;         // [B, T, A]  e, or anything if not has_segments
@group(0) @binding(12) var<storage, read> key: array<u32>;            // [2] the step's key of dropout
@group(0) @binding(13) var<storage, read_write> packed: array<f32>;   // [4 + B·T·(2 + 4·⌈S/32⌉ + A)]
@group(0) @binding(14) var<storage, read> notes: array<f32>;          // the same, packed
@group(0) @binding(15) var<storage, read_write> y: array<Element4>;   // [B, T, A, D]
@group(0) @binding(16) var<storage, read_write> lse: array<f32>;      // [B, A, T]  L, kept for backward

override CHUNKS: u32 = 4u;  // ⌈D/32⌉

const NOTE_LANES: u32 = 64u;

// Q − t of a query among all; at most Q, whatever the caller's places are.
fn first_distance(query: u32) -> u32 {
    let tokens = params.distances - params.keys;
    if params.has_places == 0u {
        return tokens - query % params.queries;
    }
    return tokens - min(places[query], tokens);
}

// Length and causality leave columns 0 .. seen_by(query) to it.
fn seen_by(query: u32) -> u32 {
    var seen = params.keys;
    if params.has_lengths != 0u {
        seen = min(seen, lengths[query / params.queries]);
    }
    if params.causal != 0u {
        seen = min(seen, max(params.keys + 1u, first_distance(query)) - first_distance(query));
    }
    return seen;
}

// Which of the 32 columns of a word a query sees.
fn seen_word(query: u32, word: u32) -> u32 {
    let count = max(seen_by(query), 32u * word) - 32u * word;
    let seen = select((1u << min(count, 31u)) - 1u, 0xFFFFFFFFu, count >= 32u);
    if params.has_bits == 0u {
        return seen;
    }
    return seen & bits[query * ((params.keys + 31u) / 32u) + word];
}

// Which of them are of other segments.
fn other_word(query: u32, word: u32) -> u32 {
    var other = 0u;
    if params.has_segments != 0u {
        let first = query / params.queries * params.keys;
        for (var j = 32u * word; j < min(32u * word + 32u, params.keys); j++) {
            other |= select(0u, 1u << (j % 32u), key_segments[first + j] != query_segments[query]);
        }
    }
    return other;
}

fn note(at: u32) -> f32 {
    if at < 4u {
        return f32((key[at / 2u] >> (16u * (at % 2u))) & 0xFFFFu);
    }
    if at < bits_start() {
        let query = (at - 4u) / 2u;
        return f32(select(first_distance(query), seen_by(query), at % 2u == 0u));
    }
    if at < slopes_start() {
        let words = (params.keys + 31u) / 32u;
        let half = at - bits_start();
        let query = half / 4u / words;
        var word = 0u;
        if half % 4u < OTHER {
            word = seen_word(query, half / 4u % words);
        } else {
            word = other_word(query, half / 4u % words);
        }
        return f32((word >> (16u * (half % 2u))) & 0xFFFFu);
    }
    if params.has_segments == 0u {
        return 0.0;
    }
    return slopes[at - slopes_start()];
}

@compute @workgroup_size(NOTE_LANES)
fn forward_notes(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let at = id.y * groups.x * NOTE_LANES + id.x;
    if at < biases_start() {
        packed[at] = note(at);
    }
}

fn vec4_of(tensor: u32, at: u32) -> vec4f {
    switch tensor {
        case Q: { return vec4f(q[at]); }
        case K: { return vec4f(k[at]); }
        case V: { return vec4f(v[at]); }
        default: { return table[at]; }
    }
}

fn bias_of(bias: u32, head: u32, c: u32) -> vec4f {
    let width = params.width / 4u;
    return select(vec4f(0.0), biases[(bias * params.heads + head) * width + min(c, width - 1u)], c < width);
}

@compute @workgroup_size(TILE_LANES)
fn forward(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let place = place_of(group, lane);
    let last = group.x * TILE_ROWS + TILE_ROWS - 1u;
    let ty = lane / QUADS;
    let tx = lane % QUADS;

    var sums: array<mat4x4f, 2>;  // Σ p·v: [half][row] of four channels
    var maximum = vec4f(HIDDEN);  // of the four rows, over the tiles so far
    var total = vec4f(0.0);       // Σ p of the four rows, over this lane's columns
    let end = columns_of_any(place, group.x * TILE_ROWS, TILE_ROWS);
    for (var j0 = 0u; j0 < end; j0 += TILE_COLUMNS) {
        var s = scores_of_queries(place, last, j0);
        var peaks = vec4f(HIDDEN);
        for (var r = 0u; r < 4u; r++) {
            let i = last - 4u * ty - r;
            let j = j0 + 4u * tx;
            let other = bits_at(OTHER, place.item, i, j);
            let sum = s[r] + select(vec4f(0.0), vec4f(slope_of(place.item, place.head, i)), other);
            s[r] = select(vec4f(HIDDEN), sum * params.scale, bits_at(SEEN, place.item, i, j));
            peaks[r] = max(max(s[r].x, s[r].y), max(s[r].z, s[r].w));
        }
        workgroupBarrier();
        stage[LANES_START + lane] = peaks;
        workgroupBarrier();
        var peak = maximum;
        for (var lane_of_row = 0u; lane_of_row < QUADS; lane_of_row++) {
            peak = max(peak, stage[LANES_START + ty * QUADS + lane_of_row]);
        }
        let rescale = exp(maximum - peak);
        maximum = peak;
        for (var r = 0u; r < 4u; r++) {
            // A finite sentinel needs the select: in a row hidden so far, exp(HIDDEN − HIDDEN) is 1.
            let p = select(vec4f(0.0), exp(s[r] - vec4f(peak[r])), s[r] > vec4f(0.5 * HIDDEN));
            total[r] = total[r] * rescale[r] + (p.x + p.y) + (p.z + p.w);
            sums[0][r] *= rescale[r];
            sums[1][r] *= rescale[r];
            s[r] = p * dropout_scale(place.item, place.head, last - 4u * ty - r, i32(j0 + 4u * tx));
        }
        share_weights(place, s);
        add_others(&sums, place, Side(V, i32(j0), 1), NONE);
    }

    let sum = sum_over_lanes(place, total);
    let sees = sum > vec4f(0.0);
    let inverse = select(vec4f(0.0), 1.0 / max(sum, vec4f(1e-30)), sees);
    let log_sum = select(vec4f(1e30), maximum + log(max(sum, vec4f(1e-30))), sees);
    for (var r = 0u; r < 4u; r++) {
        let i = last - 4u * ty - r;
        for (var h = 0u; h < 2u; h++) {
            let c = place.first + h * QUADS + tx;
            if is_inside(Q, i32(i), c) {
                y[at_row(Q, place, i32(i), c)] = Element4(sums[h][r] * inverse[r]);
            }
        }
        if i < params.queries && tx == 0u && place.first == 0u {
            lse[(place.item * params.heads + place.head) * params.queries + i] = log_sum[r];
        }
    }
}
