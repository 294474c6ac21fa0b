// attention_biased — softmax over scores to which a matrix is added: positions as T5 and ALiBi tell them.
//
// math      s_ij = scale·⟨q_i, k_j⟩ + β_ij,  p = softmax of s over the visible j,  L_i = log Σ_j exp(s_ij)
//           y_i = Σ_j z_ij·p_ij·v_j,  z_ij = 0 where dropped, 1/(1 − probability) where kept
//           a row that sees nothing has y_i = 0 and L_i = 10³⁰, so that exp(s − L) is 0 in backward
//           Δ_i = Σ_j z_ij·p_ij·⟨dy_i, v_j⟩,  G_ij = p_ij·(z_ij·⟨dy_i, v_j⟩ − Δ_i),  the gradient of s
//           dβ = ΣG over the heads and items that share it,  dq_i = scale·Σ_j G_ij·k_j,  dk_j = scale·Σ_i G_ij·q_i,
//           dv_j = Σ_i z_ij·p_ij·dy_i
// source    Raffel et al. 2020, arXiv:1910.10683, §2.1; Press et al. 2022, arXiv:2108.12409, §3
// shapes    B items, T queries, S keys, A heads; β has one matrix [T, S] for all items or one each, and so for heads;
//           [.., T, S] are the matrices of a chunk: some heads, and some items of each, counted from its first ones
// work      forward, backward: ROW_LANES lanes per row of the chunk, dispatch over x and y; backward_bias: one lane per
//           element of the chunk's part of β; the products with k, v and dy are those of matmul.wgsl
// cost      a row of forward moves 6·S words, of backward 9·S; backward_bias reads the chunk once; about 10 FLOPs a score
// numerics  hidden scores are −10³⁰ and leave by select: no infinity, no 0/0; what β pushes below −5·10²⁹ is hidden too;
//           Σp is taken before dropout; dβ is summed in f32, heads first, items within, chunk after chunk
// uses      shared/row_share.wgsl, shared/short_rows.wgsl, shared/attention_rows.wgsl, shared/philox.wgsl

struct Params {
    queries: u32,      // T
    keys: u32,         // S
    heads: u32,        // A
    bias_items: u32,   // 1 or B, matrices of β along the batch
    bias_heads: u32,   // 1 or A, matrices of β along the heads
    scale: f32,        // 1/√D for ALiBi, 1 for T5
    causal: u32,       // 1: row i sees columns j ≤ i + S − T
    has_lengths: u32,  // 1: item b sees columns j < lengths[b]
    has_bits: u32,     // 1: row i sees column j if bit j of its row of bits is set
    threshold: u32,    // a word below it drops the weight; 0: no dropout
    keep_scale: f32,   // 1/(1 − probability)
    site: u32,         // which dropout of the model
    first_row: u32,    // number of row 0 of item 0 in the counters of dropout
    first_head: u32,   // number of the chunk's head 0
    some_heads: u32,   // heads of the chunk
    first_item: u32,   // number of the chunk's item 0
    some_items: u32,   // items of the chunk
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> bias: array<f32>;           // [1 or B, 1 or A, T, S]  β
@group(0) @binding(2) var<storage, read> lengths: array<u32>;        // [B], or anything if not has_lengths
@group(0) @binding(3) var<storage, read> bits: array<u32>;           // [B, T, ⌈S/32⌉], or anything if not has_bits
@group(0) @binding(4) var<storage, read> key: array<u32>;            // [2] the step's key of dropout
@group(0) @binding(5) var<storage, read_write> weights: array<f32>;  // [.., T, S]  ⟨q_i, k_j⟩, then z·p
@group(0) @binding(6) var<storage, read_write> lse: array<f32>;      // [B, T, A]  L, kept for backward
@group(0) @binding(7) var<storage, read_write> ds: array<f32>;       // [.., T, S]  ⟨dy_i, v_j⟩, then G
@group(0) @binding(8) var<storage, read_write> dbias: array<f32>;    // [1 or B, 1 or A, T, S]  dβ, the chunk's part

// T − i, the distance of the row's first column.
fn first_distance(own: Row) -> u32 {
    return params.queries - own.i;
}

// Which matrix of β an item and a head have.
fn bias_of(item: u32, head: u32) -> u32 {
    return min(item, params.bias_items - 1u) * params.bias_heads + min(head, params.bias_heads - 1u);
}

// Where the row of β begins.
fn bias_start(own: Row) -> u32 {
    return (bias_of(own.item, own.head) * params.queries + own.i) * params.keys;
}

// s of the row at column j, or HIDDEN.
fn score(own: Row, j: u32, product: f32, beta: f32) -> f32 {
    let s = params.scale * product + beta;
    return select(HIDDEN, s, s > 0.5 * HIDDEN && is_visible(own, j));
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
    let beside = bias_start(own);
    var most = HIDDEN;
    for (var j = 4u * (lane % ROW_LANES); j < own.keys; j += 4u * ROW_LANES) {
        for (var c = j; c < min(j + 4u, own.keys); c++) {
            let s = score(own, c, weights[start + c], bias[beside + c]);
            weights[start + c] = s;
            most = max(most, s);
        }
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
    let beside = bias_start(own);
    let log_sum = lse[note_of(own)];
    var sum = 0.0;
    for (var j = 4u * (lane % ROW_LANES); j < own.keys; j += 4u * ROW_LANES) {
        let kept = is_kept(own, j);
        for (var c = 0u; c < min(4u, own.keys - j); c++) {
            let at = start + j + c;
            let s = score(own, j + c, weights[at], bias[beside + j + c]);
            sum += share_of_delta(at, s, log_sum, kept[c]);
        }
    }
    let delta = sum_row(lane, sum);
    for (var j = 4u * (lane % ROW_LANES); j < own.keys; j += 4u * ROW_LANES) {
        for (var c = j; c < min(j + 4u, own.keys); c++) {
            let p = weights[start + c];
            weights[start + c] = params.keep_scale * max(p, 0.0);
            ds[start + c] -= abs(p) * delta;
        }
    }
}

@compute @workgroup_size(LANES)
fn backward_bias(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let element = (group.y * groups.x + group.x) * LANES + lane;
    let cells = params.queries * params.keys;
    // Of the chunk's matrices, as many have a β of their own, as many share one.
    let own_heads = select(1u, params.some_heads, params.bias_heads > 1u);
    let own_items = select(1u, params.some_items, params.bias_items > 1u);
    if element >= own_heads * own_items * cells {
        return;
    }
    let cell = element % cells;
    let head = element / cells / own_items;
    let item = element / cells % own_items;
    var sum = 0.0;
    for (var a = head; a < head + params.some_heads / own_heads; a++) {
        for (var b = item; b < item + params.some_items / own_items; b++) {
            sum += ds[(a * params.some_items + b) * cells + cell];
        }
    }
    let at = bias_of(params.first_item + item, params.first_head + head) * cells + cell;
    // An earlier chunk has met this β.
    let adds = (params.bias_items == 1u && params.first_item > 0u) || (params.bias_heads == 1u && params.first_head > 0u);
    if adds {
        sum += dbias[at];
    }
    dbias[at] = sum;
}
