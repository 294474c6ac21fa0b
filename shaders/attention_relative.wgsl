// attention_relative — softmax over scores that also see how far a key lies from the query and whether it is of its segment.
//
// math      s_ij = scale·((q_i + u)·k_j + (q_i + w)·r_{j + Q − t_i} + e_i·g_ij),  p = softmax of s over the visible j
//           g_ij = 1 where the segments of i and j differ, 0 elsewhere; e is that of relative_segments.wgsl
//           y_i = Σ_j z_ij·p_ij·v_j,  L_i = log Σ_j exp(s_ij),  10³⁰ in a row that sees nothing; its y is 0
//           Δ_i = Σ_j z_ij·p_ij·⟨dy_i, v_j⟩,  G_ij = scale·p_ij·(z_ij·⟨dy_i, v_j⟩ − Δ_i),  the gradient of s_ij/scale
//           dq_i = Σ_j G_ij·(k_j + r_{j + Q − t_i}),  dk_j = Σ_i G_ij·(q_i + u),  dv_j = Σ_i z_ij·p_ij·dy_i
//           dr_n = Σ_i G_{i, n − Q + t_i}·(q_i + w);  du and dw are the sums over items and rows of the two parts of dq
// source    Yang et al. 2019, arXiv:1906.08237, §2.2 to §2.5; the shift: Dai et al. 2019, arXiv:1901.02860, appendix B
// shapes    B items, T queries, S keys, A heads of D channels; queries are tokens t_i of Q, r has Q + S rows, the first unused;
//           [.., T, S] are the matrices of a chunk: some heads, and some items of each, counted from its first ones
// work      ROW_LANES lanes per row of the chunk, dispatch over x and y; the products with k, r and v are those of matmul.wgsl
// cost      a row of scores moves 3·S words, of forward 5·S, of backward 7·S + Q; about 10 FLOPs a word
// numerics  hidden scores are −10³⁰ and leave by select: no infinity, no 0/0; Σp is taken before dropout
// uses      shared/row_share.wgsl, shared/short_rows.wgsl, shared/attention_rows.wgsl, shared/philox.wgsl

struct Params {
    batch: u32,         // B
    queries: u32,       // T
    keys: u32,          // S
    heads: u32,         // A
    distances: u32,     // Q + S
    scale: f32,         // 1/√D
    causal: u32,        // 1: row i sees columns j ≤ t_i + S − Q
    has_lengths: u32,   // 1: item b sees columns j < lengths[b]
    has_bits: u32,      // 1: row i sees column j if bit j of its row of bits is set
    has_places: u32,    // 1: t_i = places[b, i]; 0: t_i = i
    has_segments: u32,  // 1: scores have the term e·g
    threshold: u32,     // a word below it drops the weight; 0: no dropout
    keep_scale: f32,    // 1/(1 − probability)
    site: u32,          // which dropout of the model
    first_row: u32,     // number of row 0 of item 0 in the counters of dropout
    first_head: u32,    // number of the chunk's head 0
    some_heads: u32,    // heads of the chunk
    first_item: u32,    // number of the chunk's item 0
    some_items: u32,    // items of the chunk
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> distant: array<f32>;         // [.., T, Q + S]  (q_i + w)·r_n
@group(0) @binding(2) var<storage, read> lengths: array<u32>;         // [B], or anything if not has_lengths
@group(0) @binding(3) var<storage, read> bits: array<u32>;            // [B, T, ⌈S/32⌉], or anything if not has_bits
@group(0) @binding(4) var<storage, read> places: array<u32>;          // [B, T]  t, or anything if not has_places
@group(0) @binding(5) var<storage, read> query_segments: array<u32>;  // [B, T], or anything if not has_segments
@group(0) @binding(6) var<storage, read> key_segments: array<u32>;    // [B, S], or anything if not has_segments
@group(0) @binding(7) var<storage, read> slopes: array<f32>;          // [B, T, A]  e, or anything if not has_segments
@group(0) @binding(8) var<storage, read> key: array<u32>;             // [2] the step's key of dropout
@group(0) @binding(9) var<storage, read_write> weights: array<f32>;   // [.., T, S]  (q_i + u)·k_j, then s, then z·p
@group(0) @binding(10) var<storage, read_write> lse: array<f32>;      // [B, T, A]  L, kept for backward
@group(0) @binding(11) var<storage, read_write> ds: array<f32>;       // [.., T, S]  ⟨dy_i, v_j⟩, then G
@group(0) @binding(12) var<storage, read_write> shifted: array<f32>;  // [.., T, Q + S]  G_{i, n − Q + t_i}, 0 where there is no such j

// Q − t_i, the distance of the row's first column; at most Q, whatever the caller's places are.
fn first_distance(own: Row) -> u32 {
    let tokens = params.distances - params.keys;
    if params.has_places == 0u {
        return tokens - own.i;
    }
    return tokens - min(places[own.item * params.queries + own.i], tokens);
}

// g.
fn is_other_segment(own: Row, j: u32) -> bool {
    let segment = query_segments[own.item * params.queries + own.i];
    return segment != key_segments[own.item * params.keys + j];
}

@compute @workgroup_size(LANES)
fn scores(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = row_at(group, groups, lane);
    let own = row_of(row);
    let start = row * params.keys;
    let shift = row * params.distances + first_distance(own);
    for (var j = lane % ROW_LANES; j < own.keys; j += ROW_LANES) {
        var score = weights[start + j] + distant[shift + j];
        if params.has_segments != 0u && is_other_segment(own, j) {
            score += slopes[note_of(own)];
        }
        weights[start + j] = select(HIDDEN, params.scale * score, is_visible(own, j));
    }
}

@compute @workgroup_size(LANES)
fn forward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = row_at(group, groups, lane);
    let own = row_of(row);
    let start = row * params.keys;
    var most = HIDDEN;
    for (var j = lane % ROW_LANES; j < own.keys; j += ROW_LANES) {
        most = max(most, weights[start + j]);
    }
    softmax_row(own, start, lane, most);
}

@compute @workgroup_size(LANES)
fn backward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = row_at(group, groups, lane);
    let own = row_of(row);
    let start = row * params.keys;
    let log_sum = lse[note_of(own)];
    var sum = 0.0;
    for (var j = 4u * (lane % ROW_LANES); j < own.keys; j += 4u * ROW_LANES) {
        let kept = is_kept(own, j);
        for (var c = 0u; c < min(4u, own.keys - j); c++) {
            let at = start + j + c;
            sum += share_of_delta(at, weights[at], log_sum, kept[c]);
        }
    }
    let delta = sum_row(lane, sum);
    let begin = first_distance(own);
    let shift = row * params.distances;
    for (var j = 4u * (lane % ROW_LANES); j < own.keys; j += 4u * ROW_LANES) {
        for (var c = 0u; c < min(4u, own.keys - j); c++) {
            let at = start + j + c;
            let p = weights[at];
            let g = params.scale * (ds[at] - abs(p) * delta);
            weights[at] = params.keep_scale * max(p, 0.0);
            ds[at] = g;
            shifted[shift + begin + j + c] = g;
        }
    }
    let distances = select(0u, params.distances, own.keys > 0u);
    for (var n = lane % ROW_LANES; n < distances; n += ROW_LANES) {
        if n < begin || n >= begin + own.keys {
            shifted[shift + n] = 0.0;
        }
    }
}
