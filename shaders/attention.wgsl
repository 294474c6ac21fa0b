// attention — softmax(Q·Kᵀ·scale)·V of every head, without ever holding the T × S matrix.
//
// math      s_ij = scale·⟨q_i, k_j⟩,  L_i = log Σ_j exp(s_ij),  p_ij = exp(s_ij − L_i)  over the columns j visible to row i
//           y_i = Σ_j z_ij·p_ij·v_j,  z_ij = 0 where dropped, 1/(1 − probability) where kept
//           a row that sees nothing has y_i = 0 and L_i = 10³⁰, so that exp(s − L) is 0 in backward
// source    Vaswani et al. 2017, arXiv:1706.03762, eq. 1; online softmax: Dao 2023, arXiv:2307.08691, algorithm 1
// shapes    B items, T queries, S keys, A heads of D channels, D a multiple of 4 up to 128; tensors as they lie, [B, T, A, D]
// work      one workgroup per (64 queries, head, item), walking over tiles of 32 keys; dispatch (⌈T/64⌉, A, B)
// cost      4·B·A·T·S·D FLOPs; words: Q and Y once, K and V ⌈T/64⌉ times; tiles past length or diagonal are skipped
// numerics  hidden scores are −10³⁰ and leave by select: no infinity, no 0/0; Σp is taken before dropout
// uses      shared/combine.wgsl, shared/attention_tile.wgsl, shared/philox.wgsl

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
@group(0) @binding(1) var<storage, read> q: array<Element4>;           // [B, T, A, D]
@group(0) @binding(2) var<storage, read> k: array<Element4>;           // [B, S, A, D]
@group(0) @binding(3) var<storage, read> v: array<Element4>;           // [B, S, A, D]
@group(0) @binding(4) var<storage, read> lengths: array<u32>;       // [B], or anything if not has_lengths
@group(0) @binding(5) var<storage, read> bits: array<u32>;          // [B, T, ⌈S/32⌉], or anything if not has_bits
@group(0) @binding(6) var<storage, read> key: array<u32>;           // [2] the step's key of dropout
@group(0) @binding(7) var<storage, read_write> y: array<Element4>;     // [B, T, A, D]
@group(0) @binding(8) var<storage, read_write> lse: array<f32>;     // [B, A, T]  L, kept for backward

override CHUNKS: u32 = 4u;  // ⌈D/32⌉

const HIDDEN: f32 = -1e30;

var<workgroup> partial: array<f32, 512>;  // [64, 8]  one value a row from each of its lanes

// Length and causality leave columns 0 .. seen_by(item, i) to row i.
fn seen_by(item: u32, i: u32) -> u32 {
    var seen = params.keys;
    if params.has_lengths != 0u {
        seen = min(seen, lengths[item]);
    }
    if params.causal != 0u {
        seen = min(seen, max(i + 1u + params.keys, params.queries) - params.queries);
    }
    return seen;
}

// Which of the columns j .. j + 3 row i sees.
fn visible(item: u32, i: u32, j: u32) -> vec4<bool> {
    let column = vec4u(j, j + 1u, j + 2u, j + 3u);
    var seen = column < vec4u(seen_by(item, i));
    if params.has_bits != 0u && i < params.queries {
        let word = bits[(item * params.queries + i) * ((params.keys + 31u) / 32u) + j / 32u];
        seen = seen & (((vec4u(word) >> (column & vec4u(31u))) & vec4u(1u)) != vec4u(0u));
    }
    return seen;
}

// z of row i at the columns j .. j + 3.
fn dropout_scale(item: u32, i: u32, j: u32, head: u32) -> vec4f {
    let row = item * params.queries + i + params.first_row;
    let word = philox(vec4u(j / 4u, row, params.site, head), vec2u(key[0], key[1]));
    return select(vec4f(0.0), vec4f(params.keep_scale), word >= vec4u(params.threshold));
}

@compute @workgroup_size(TILE_LANES)
fn forward(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let i0 = group.x * TILE_ROWS;
    let head = group.y;
    let item = group.z;
    let ty = lane / 8u;
    let tx = lane % 8u;
    let width = params.width / 4u;           // vec4s of a head
    let stride = params.heads * width;       // vec4s from row to row
    let q_start = item * params.queries * stride + head * width;
    let k_start = item * params.keys * stride + head * width;

    var sums: array<mat4x4f, 4>;             // Σ p·v: [chunk][row] of four channels
    var maximum = vec4f(HIDDEN);             // of the four rows, over the tiles so far
    var total = vec4f(0.0);                  // Σ p of the four rows, over this lane's columns
    let end = seen_by(item, min(i0 + TILE_ROWS, params.queries) - 1u);
    for (var j0 = 0u; j0 < end; j0 += TILE_COLUMNS) {
        var s = mat4x4f();
        for (var chunk = 0u; chunk < CHUNKS; chunk++) {
            workgroupBarrier();
            for (var at = lane; at < TILE_ROWS * CHUNK; at += TILE_LANES) {
                let i = i0 + at / CHUNK;
                let c = chunk * CHUNK + at % CHUNK;
                var value = vec4f(0.0);
                if i < params.queries && c < width {
                    value = vec4f(q[q_start + i * stride + c]);
                }
                own[at] = value;
            }
            for (var at = lane; at < TILE_COLUMNS * CHUNK; at += TILE_LANES) {
                let j = j0 + at / CHUNK;
                let c = chunk * CHUNK + at % CHUNK;
                var value = vec4f(0.0);
                if j < params.keys && c < width {
                    value = vec4f(k[k_start + j * stride + c]);
                }
                other[swizzled(at / CHUNK, at % CHUNK)] = value;
            }
            workgroupBarrier();
            s = inner_products(s, ty, tx);
        }

        for (var r = 0u; r < 4u; r++) {
            let seen = visible(item, i0 + 4u * ty + r, j0 + 4u * tx);
            s[r] = select(vec4f(HIDDEN), s[r] * params.scale, seen);
            partial[(4u * ty + r) * 8u + tx] = max(max(s[r].x, s[r].y), max(s[r].z, s[r].w));
        }
        workgroupBarrier();
        for (var r = 0u; r < 4u; r++) {
            var peak = maximum[r];
            for (var lane_of_row = 0u; lane_of_row < 8u; lane_of_row++) {
                peak = max(peak, partial[(4u * ty + r) * 8u + lane_of_row]);
            }
            let rescale = exp(maximum[r] - peak);
            maximum[r] = peak;
            // A finite sentinel needs the select: in a row hidden so far, exp(HIDDEN − HIDDEN) is 1.
            var p = select(vec4f(0.0), exp(s[r] - vec4f(peak)), s[r] > vec4f(0.5 * HIDDEN));
            total[r] = total[r] * rescale + (p.x + p.y) + (p.z + p.w);
            for (var chunk = 0u; chunk < CHUNKS; chunk++) {
                sums[chunk][r] *= rescale;
            }
            if params.threshold != 0u {
                p *= dropout_scale(item, i0 + 4u * ty + r, j0 + 4u * tx, head);
            }
            own[(4u * ty + r) * CHUNK + tx] = p;
        }

        for (var chunk = 0u; chunk < CHUNKS; chunk++) {
            workgroupBarrier();
            for (var at = lane; at < TILE_COLUMNS * CHUNK; at += TILE_LANES) {
                let j = j0 + at / CHUNK;
                let c = chunk * CHUNK + at % CHUNK;
                var value = vec4f(0.0);
                if j < params.keys && c < width {
                    value = vec4f(v[k_start + j * stride + c]);
                }
                other[at] = value;
            }
            workgroupBarrier();
            sums[chunk] = weighted_sums(sums[chunk], ty, tx);
        }
    }

    workgroupBarrier();
    for (var r = 0u; r < 4u; r++) {
        partial[(4u * ty + r) * 8u + tx] = total[r];
    }
    workgroupBarrier();
    for (var r = 0u; r < 4u; r++) {
        let i = i0 + 4u * ty + r;
        var sum = 0.0;
        for (var lane_of_row = 0u; lane_of_row < 8u; lane_of_row++) {
            sum += partial[(4u * ty + r) * 8u + lane_of_row];
        }
        if i < params.queries {
            let sees = sum > 0.0;
            let inverse = select(0.0, 1.0 / max(sum, 1e-30), sees);
            for (var chunk = 0u; chunk < CHUNKS; chunk++) {
                let c = chunk * CHUNK + tx;
                if c < width {
                    y[q_start + i * stride + c] = Element4(sums[chunk][r] * inverse);
                }
            }
            if tx == 0u {
                let row = (item * params.heads + head) * params.queries + i;
                lse[row] = select(1e30, maximum[r] + log(max(sum, 1e-30)), sees);
            }
        }
    }
}
