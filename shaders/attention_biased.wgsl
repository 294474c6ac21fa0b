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
// work      forward, backward: one workgroup per row of the chunk, dispatch over x and y; backward_bias: one lane per
//           element of the chunk's part of β; the products with k, v and dy are those of matmul.wgsl
// cost      a row of forward moves 6·S words, of backward 9·S; backward_bias reads the chunk once; about 10 FLOPs a score
// numerics  hidden scores are −10³⁰ and leave by select: no infinity, no 0/0; what β pushes below −5·10²⁹ is hidden too;
//           Σp is taken before dropout; dβ is summed in f32, heads first, items within, chunk after chunk
// uses      shared/short_rows.wgsl, shared/philox.wgsl

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

const HIDDEN: f32 = -1e30;

fn is_visible(own: Row, j: u32) -> bool {
    if params.has_lengths != 0u && j >= lengths[own.item] {
        return false;
    }
    if params.causal != 0u && j + params.queries > own.i + params.keys {
        return false;
    }
    if params.has_bits != 0u {
        let start = (own.item * params.queries + own.i) * ((params.keys + 31u) / 32u);
        return ((bits[start + j / 32u] >> (j % 32u)) & 1u) == 1u;
    }
    return true;
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

// z of the row at the columns j .. j + 3 is not 0.
fn is_kept(own: Row, j: u32) -> vec4<bool> {
    if params.threshold == 0u {
        return vec4<bool>(true);
    }
    let row = own.item * params.queries + own.i + params.first_row;
    let words = philox(vec4u(j / 4u, row, params.site, own.head), vec2u(key[0], key[1]));
    return words >= vec4u(params.threshold);
}

// All loops of a row give a lane the same columns: what it has written, no other reads.

@compute @workgroup_size(LANES)
fn forward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = group.y * groups.x + group.x;
    if row >= rows() {
        return;
    }
    let own = row_of(row);
    let start = row * params.keys;
    let beside = bias_start(own);
    var most = HIDDEN;
    for (var j = 4u * lane; j < params.keys; j += 4u * LANES) {
        for (var c = j; c < min(j + 4u, params.keys); c++) {
            let s = score(own, c, weights[start + c], bias[beside + c]);
            weights[start + c] = s;
            most = max(most, s);
        }
    }
    let peak = max_lanes(lane, most);
    var sum = 0.0;
    for (var j = 4u * lane; j < params.keys; j += 4u * LANES) {
        for (var c = j; c < min(j + 4u, params.keys); c++) {
            let s = weights[start + c];
            sum += select(0.0, exp(s - peak), s > 0.5 * HIDDEN);
        }
    }
    let total = sum_lanes(lane, sum);
    for (var j = 4u * lane; j < params.keys; j += 4u * LANES) {
        let kept = is_kept(own, j);
        for (var c = 0u; c < min(4u, params.keys - j); c++) {
            let s = weights[start + j + c];
            let p = exp(s - peak) / max(total, 1e-30);
            weights[start + j + c] = select(0.0, params.keep_scale * p, s > 0.5 * HIDDEN && kept[c]);
        }
    }
    if lane == 0u {
        lse[note_of(own)] = select(1e30, peak + log(max(total, 1e-30)), total > 0.0);
    }
}

@compute @workgroup_size(LANES)
fn backward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = group.y * groups.x + group.x;
    if row >= rows() {
        return;
    }
    let own = row_of(row);
    let start = row * params.keys;
    let beside = bias_start(own);
    let log_sum = lse[note_of(own)];
    var sum = 0.0;
    for (var j = 4u * lane; j < params.keys; j += 4u * LANES) {
        let kept = is_kept(own, j);
        for (var c = 0u; c < min(4u, params.keys - j); c++) {
            let at = start + j + c;
            let s = score(own, j + c, weights[at], bias[beside + j + c]);
            let p = select(0.0, exp(s - log_sum), s > 0.5 * HIDDEN);
            // A negative sign marks what is dropped, so that the second loop need not draw again.
            weights[at] = select(-p, p, kept[c]);
            let product = select(0.0, params.keep_scale * p * ds[at], kept[c]);
            ds[at] = product;
            sum += product;
        }
    }
    let delta = sum_lanes(lane, sum);
    for (var j = 4u * lane; j < params.keys; j += 4u * LANES) {
        for (var c = j; c < min(j + 4u, params.keys); c++) {
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
