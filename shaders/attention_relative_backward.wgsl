// attention_relative_backward — gradients of relative attention: a walk over the keys for dQ, one over the queries for dK and dV, one for dr.
//
// math      forward: p_ij = exp(s_ij − L_i),  y_i = Σ_j z_ij·p_ij·v_j
//           Δ_i = ⟨dy_i, y_i⟩,  G_ij = scale·p_ij·(z_ij·⟨dy_i, v_j⟩ − Δ_i),  the gradient of s_ij/scale
//           dq_i = Σ_j G_ij·(k_j + r_{j + Q − t_i}),  σ_i = Σ_j G_ij·g_ij,  to which relative_segments.wgsl adds the segments' part
//           dk_j = Σ_i G_ij·(q_i + u),  dv_j = Σ_i z_ij·p_ij·dy_i,  dr_n = Σ_i G_{i, n − Q + t_i}·(q_i + w)
//           dw = Σ_n (Σ_i G_{i, n − Q + t_i})·r_n,  du = Σ_i dq_i − dw
// source    as attention_relative; the walks: Dao 2023, arXiv:2307.08691, algorithm 2, with its atomic additions replaced by more walks
// shapes    as attention_relative
// work      backward_notes: one lane per note. backward_queries: one workgroup per (64 queries, head, item) over tiles of 32 keys,
//           dispatch (⌈T/64⌉, A, B); backward_keys: per (64 keys, head, item) over tiles of 32 queries, (⌈S/64⌉, A, B);
//           backward_distances: per (64 distances, head, item), likewise, (⌈(Q + S)/64⌉, A, B), for each item alone
// cost      10·B·A·T·S·D FLOPs for dQ, as many for dK and dV, 8·B·A·T·S·D for dr; every gradient is written once, by one owner
// limits    a stage may bind eight storage buffers, so `notes` holds the biases, L and Δ as well (shared/relative_notes.wgsl)
// numerics  hidden weights are 0 by select
// uses      shared/combine.wgsl, shared/attention_place.wgsl, shared/relative_notes.wgsl, shared/relative_tile.wgsl, shared/relative_sums.wgsl, shared/relative_walk.wgsl, shared/philox.wgsl

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
@group(0) @binding(1) var<storage, read> q: array<Element4>;             // [B, T, A, D]
@group(0) @binding(2) var<storage, read> k: array<Element4>;             // [B, S, A, D]
@group(0) @binding(3) var<storage, read> v: array<Element4>;             // [B, S, A, D]
@group(0) @binding(4) var<storage, read> table: array<vec4f>;            // [Q + S, A, D]  r
@group(0) @binding(5) var<storage, read> biases: array<f32>;             // [2, A, D]  u, w
@group(0) @binding(6) var<storage, read> packed: array<f32>;             // the notes of forward
@group(0) @binding(7) var<storage, read> y: array<Element4>;             // [B, T, A, D]
@group(0) @binding(8) var<storage, read> dy: array<Element4>;            // [B, T, A, D]
@group(0) @binding(9) var<storage, read> lse: array<f32>;                // [B, A, T]  L
@group(0) @binding(10) var<storage, read_write> repacked: array<f32>;    // [4 + B·T·(2 + 4·⌈S/32⌉ + 3·A) + 2·A·D]
@group(0) @binding(11) var<storage, read> notes: array<f32>;             // the same, packed
@group(0) @binding(12) var<storage, read_write> dq: array<Element4>;     // [B, T, A, D]  without the segments' part
@group(0) @binding(13) var<storage, read_write> sigma: array<f32>;       // [B, T, A]  σ
@group(0) @binding(14) var<storage, read_write> dk: array<Element4>;     // [B, S, A, D]
@group(0) @binding(15) var<storage, read_write> dv: array<Element4>;     // [B, S, A, D]
@group(0) @binding(16) var<storage, read_write> dtable: array<vec4f>;    // [B, Q + S, A, D]  dr of each item
@group(0) @binding(17) var<storage, read_write> dbias: array<f32>;       // [B, ⌈(Q + S)/64⌉, A, D]  dw of each item and tile

override CHUNKS: u32 = 4u;  // ⌈D/32⌉

const NOTE_LANES: u32 = 64u;

@compute @workgroup_size(NOTE_LANES)
fn backward_notes(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let at = id.y * groups.x * NOTE_LANES + id.x;
    let delta_start = lse_start() + params.batch * params.heads * params.queries;
    if at < biases_start() {
        repacked[at] = packed[at];
    } else if at < lse_start() {
        repacked[at] = biases[at - biases_start()];
    } else if at < delta_start {
        repacked[at] = lse[at - lse_start()];
    } else if at < 2u * delta_start - lse_start() {
        let row = at - delta_start;  // of [B, A, T]
        let head = (row / params.queries) % params.heads;
        let place = Place(row / (params.queries * params.heads), head, 0u, 0u);
        let start = at_row(Q, place, i32(row % params.queries), 0u);
        var delta = 0.0;
        for (var c = 0u; c < params.width / 4u; c++) {
            delta += dot(vec4f(dy[start + c]), vec4f(y[start + c]));
        }
        repacked[at] = delta;
    }
}

@compute @workgroup_size(TILE_LANES)
fn backward_queries(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let place = place_of(group, lane);
    let last = group.x * TILE_ROWS + TILE_ROWS - 1u;
    let ty = lane / QUADS;
    let tx = lane % QUADS;
    let own_dy = Side(DY, i32(last), -1);

    var sums: array<mat4x4f, 2>;  // dq: [half][row] of four channels
    var others = vec4f(0.0);      // σ of the four rows, over this lane's columns
    let end = columns_of_any(place, group.x * TILE_ROWS, TILE_ROWS);
    for (var j0 = 0u; j0 < end; j0 += TILE_COLUMNS) {
        let keys = Side(K, i32(j0), 1);
        let columns = min(TILE_COLUMNS, params.keys - j0);
        let band = band_of(last, j0);
        let s = scores_of_queries(place, last, j0);
        let dp = products(place, OWN_AND_OTHER, own_dy, NONE, Side(V, i32(j0), 1), NONE, band, NONE);
        var ds = mat4x4f();
        for (var r = 0u; r < 4u; r++) {
            let i = last - 4u * ty - r;
            let j = j0 + 4u * tx;
            let other = bits_at(OTHER, place.item, i, j);
            let seen = bits_at(SEEN, place.item, i, j);
            ds[r] = differentiate(place, i, i32(j), s[r], dp[r], seen, other).ds;
            others[r] += dot(ds[r], select(vec4f(0.0), vec4f(1.0), other));
        }
        share_weights(place, ds);
        add_others(&sums, place, keys, NONE);
        if params.has_places == 0u {
            add_band(&sums, place, band.first, columns);
        } else {
            for (var r = 0u; r < 4u; r++) {
                let first = distance_of(place.item, last - 4u * ty - r) + i32(j0);
                add_scattered(&sums, place, r, first, columns);
            }
        }
    }

    let sum = sum_over_lanes(place, others);
    for (var r = 0u; r < 4u; r++) {
        let i = last - 4u * ty - r;
        for (var h = 0u; h < 2u; h++) {
            let c = place.first + h * QUADS + tx;
            if is_inside(Q, i32(i), c) {
                dq[at_row(Q, place, i32(i), c)] = Element4(sums[h][r]);
            }
        }
        if i < params.queries && tx == 0u && place.first == 0u {
            sigma[query_of(place.item, i) * params.heads + place.head] = sum[r];
        }
    }
}

@compute @workgroup_size(TILE_LANES)
fn backward_keys(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let place = place_of(group, lane);
    let j0 = group.x * TILE_ROWS;
    let j = j0 + 4u * (lane / QUADS);
    let own = Side(K, i32(j0), 1);
    let own_v = Side(V, i32(j0), 1);

    var sums_k: array<mat4x4f, 2>;  // dk: [half][row] of four channels
    var sums_v: array<mat4x4f, 2>;  // dv
    for (var i0 = 0u; i0 < params.queries; i0 += TILE_COLUMNS) {
        let last = i0 + TILE_COLUMNS - 1u;
        let end = columns_of_any(place, i0, TILE_COLUMNS);
        if end <= j0 {
            continue;
        }
        let queries = Side(Q, i32(last), -1);
        let queries_dy = Side(DY, i32(last), -1);
        let band = band_of(last, j0);
        let s = products(place, OWN_AND_OTHER | OTHER_AND_BAND, own, NONE, queries, U, band, W);
        let dp = products(place, OWN_AND_OTHER, own_v, NONE, queries_dy, NONE, band, NONE);
        var weights = mat4x4f();
        var ds = mat4x4f();
        for (var c = 0u; c < 4u; c++) {
            let i = last - 4u * (lane % QUADS) - c;
            var score = transpose(s)[c];
            if params.has_places != 0u {
                score += meet_four(place, Q, W, i, R, distance_of(place.item, i) + i32(j));
            }
            let seen = bits_at(SEEN, place.item, i, j);
            let other = bits_at(OTHER, place.item, i, j);
            let four = differentiate(place, i, i32(j), score, transpose(dp)[c], seen, other);
            weights[c] = four.weights;
            ds[c] = four.ds;
        }
        share_weights(place, transpose(weights));
        add_others(&sums_v, place, queries_dy, NONE);
        share_weights(place, transpose(ds));
        add_others(&sums_k, place, queries, U);
    }
    for (var r = 0u; r < 4u; r++) {
        for (var h = 0u; h < 2u; h++) {
            let c = place.first + h * QUADS + lane % QUADS;
            if is_inside(K, i32(j + r), c) {
                dk[at_row(K, place, i32(j + r), c)] = Element4(sums_k[h][r]);
                dv[at_row(K, place, i32(j + r), c)] = Element4(sums_v[h][r]);
            }
        }
    }
}

@compute @workgroup_size(TILE_LANES)
fn backward_distances(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let place = place_of(group, lane);
    let n0 = group.x * TILE_ROWS;
    let n = n0 + 4u * (lane / QUADS);
    let own = Side(R, i32(n0), 1);

    var sums: array<mat4x4f, 2>;  // dr: [half][row] of four channels
    var totals = vec4f(0.0);      // Σ G of the four rows, over this lane's queries
    for (var i0 = 0u; i0 < params.queries; i0 += TILE_COLUMNS) {
        var is_met = false;
        for (var i = i0; i < i0 + TILE_COLUMNS; i++) {
            let first = i32(n0) - distance_of(place.item, i);
            is_met |= first < i32(columns_of(place.item, i)) && first + i32(TILE_ROWS) > 0;
        }
        if agreed(lane, select(0u, 1u, is_met)) == 0u {
            continue;
        }
        let queries = Side(Q, i32(i0), 1);
        let queries_dy = Side(DY, i32(i0), 1);
        let j0 = i32(n0 + i0) - i32(params.distances - params.keys);
        let s = products(place, OWN_AND_OTHER | OTHER_AND_BAND, own, NONE, queries, W, Side(K, j0, 1), U);
        let dp = products(place, OTHER_AND_BAND, own, NONE, queries_dy, NONE, Side(V, j0, 1), NONE);
        var ds = mat4x4f();
        for (var c = 0u; c < 4u; c++) {
            let i = i0 + 4u * (lane % QUADS) + c;
            let j = i32(n) - distance_of(place.item, i);
            var score = transpose(s)[c];
            var dp_of_query = transpose(dp)[c];
            if params.has_places != 0u {
                score += meet_four(place, Q, U, i, K, j);
                dp_of_query = meet_four(place, DY, NONE, i, V, j);
            }
            var seen = vec4<bool>();
            var other = vec4<bool>();
            for (var r = 0u; r < 4u; r++) {
                seen[r] = bit_at(SEEN, place.item, i, j + i32(r));
                other[r] = bit_at(OTHER, place.item, i, j + i32(r));
            }
            ds[c] = differentiate(place, i, j, score, dp_of_query, seen, other).ds;
            totals += ds[c];
        }
        share_weights(place, transpose(ds));
        add_others(&sums, place, queries, W);
    }

    workgroupBarrier();
    stage[LANES_START + lane] = totals;
    for (var r = 0u; r < 4u; r++) {
        for (var h = 0u; h < 2u; h++) {
            let c = place.first + h * QUADS + lane % QUADS;
            if is_inside(R, i32(n + r), c) {
                let row = place.item * params.distances + n + r;
                dtable[(row * params.heads + place.head) * (params.width / 4u) + c] = sums[h][r];
            }
        }
    }
    workgroupBarrier();
    if lane < params.width && place.first == 0u {
        var sum = 0.0;
        for (var at = 0u; at < min(TILE_ROWS, params.distances - n0); at++) {
            var total = 0.0;
            for (var lane_of_row = 0u; lane_of_row < QUADS; lane_of_row++) {
                total += stage[LANES_START + at / 4u * QUADS + lane_of_row][at % 4u];
            }
            sum += total * table[at_row(R, place, i32(n0 + at), lane / 4u)][lane % 4u];
        }
        dbias[((place.item * groups.x + group.x) * params.heads + place.head) * params.width + lane] = sum;
    }
}
