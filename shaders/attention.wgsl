// attention — softmax(Q·Kᵀ·scale)·V of every head, without ever holding the T × S matrix.
//
// math      s_ij = scale·⟨q_i, k_j⟩,  L_i = log Σ_j exp(s_ij),  p_ij = exp(s_ij − L_i)  over the columns j visible to row i
//           y_i = Σ_j z_ij·p_ij·v_j,  z_ij = 0 where dropped, 1/(1 − probability) where kept
//           a row that sees nothing has y_i = 0 and L_i = 10³⁰, so that exp(s − L) is 0 in backward
// source    Vaswani et al. 2017, arXiv:1706.03762, eq. 1; online softmax: Dao 2023, arXiv:2307.08691, algorithm 1
// shapes    B items, T queries, S keys, A heads of D channels, D a multiple of 4 up to 128; tensors as they lie, [B, T, A, D]
// work      one workgroup per (64 queries, 64 channels of Y, head, item), walking over tiles of 32 keys; dispatch (⌈T/64⌉, A·⌈D/64⌉, B)
// cost      4·B·A·T·S·D FLOPs, half as many again where D is above 64; words: Y once, Q, K and V ⌈S/32⌉ and ⌈T/64⌉ times;
//           tiles past length or diagonal are skipped
// numerics  hidden scores are −10³⁰ and leave by select: no infinity, no 0/0; Σp is taken before dropout
// uses      shared/combine.wgsl, shared/attention_place.wgsl, shared/attention_tile.wgsl, shared/attention_masks.wgsl, shared/philox.wgsl

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

var<workgroup> of_lanes: array<vec4f, 128>;  // [2, 64]  a value for each of its eight rows from every lane

@compute @workgroup_size(TILE_LANES)
fn forward(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let place = place_of(group, lane);
    let head = place.head;
    let item = group.z;  // not of place, beside a lane: where the walk ends must be seen to be one for all
    let i0 = group.x * TILE_ROWS;
    let ty = lane / 8u;
    let tx = lane % 8u;

    var sums: array<vec4f, 16>;  // Σ p·v: [row][half] of four channels
    var maximum = array(vec4f(HIDDEN), vec4f(HIDDEN));  // of the eight rows, over the tiles so far
    var total: array<vec4f, 2>;  // Σ p of the eight rows, over this lane's columns
    let end = seen_by(item, min(i0 + TILE_ROWS, params.queries) - 1u);
    for (var j0 = 0u; j0 < end; j0 += TILE_COLUMNS) {
        var s = products(Q, K, place, i0, j0);
        var peaks: array<vec4f, 2>;
        for (var r = 0u; r < 8u; r++) {
            let seen = visible(item, i0 + 8u * ty + r, j0 + 4u * tx);
            s[r] = select(vec4f(HIDDEN), s[r] * params.scale, seen);
            peaks[r / 4u][r % 4u] = max(max(s[r].x, s[r].y), max(s[r].z, s[r].w));
        }
        of_lanes[lane] = peaks[0];
        of_lanes[TILE_LANES + lane] = peaks[1];
        workgroupBarrier();
        for (var h = 0u; h < 2u; h++) {
            var peak = maximum[h];
            for (var lane_of_row = 0u; lane_of_row < 8u; lane_of_row++) {
                peak = max(peak, of_lanes[h * TILE_LANES + 8u * ty + lane_of_row]);
            }
            let rescale = exp(maximum[h] - peak);
            maximum[h] = peak;
            for (var n = 0u; n < 4u; n++) {
                let r = 4u * h + n;
                // A finite sentinel needs the select: in a row hidden so far, exp(HIDDEN − HIDDEN) is 1.
                let p = select(vec4f(0.0), exp(s[r] - vec4f(peak[n])), s[r] > vec4f(0.5 * HIDDEN));
                total[h][n] = total[h][n] * rescale[n] + (p.x + p.y) + (p.z + p.w);
                sums[2u * r] *= rescale[n];
                sums[2u * r + 1u] *= rescale[n];
                s[r] = p;
                if params.threshold != 0u {
                    s[r] *= dropout_scale(item, head, i0 + 8u * ty + r, j0 + 4u * tx);
                }
            }
        }
        add_weighted(&sums, s, V, place, j0);
    }

    workgroupBarrier();
    of_lanes[lane] = total[0];
    of_lanes[TILE_LANES + lane] = total[1];
    workgroupBarrier();
    for (var h = 0u; h < 2u; h++) {
        var sum = vec4f(0.0);
        for (var lane_of_row = 0u; lane_of_row < 8u; lane_of_row++) {
            sum += of_lanes[h * TILE_LANES + 8u * ty + lane_of_row];
        }
        let sees = sum > vec4f(0.0);
        let inverse = select(vec4f(0.0), 1.0 / max(sum, vec4f(1e-30)), sees);
        let log_sum = select(vec4f(1e30), maximum[h] + log(max(sum, vec4f(1e-30))), sees);
        for (var n = 0u; n < 4u; n++) {
            let i = i0 + 8u * ty + 4u * h + n;
            let row = (item * params.queries + i) * params.heads + head;
            for (var half = 0u; half < 2u; half++) {
                let c = place.first + half * CHUNK + tx;
                if i < params.queries && c < params.width / 4u {
                    y[row * (params.width / 4u) + c] = Element4(sums[8u * h + 2u * n + half] * inverse[n]);
                }
            }
            if i < params.queries && tx == 0u && place.first == 0u {
                lse[(item * params.heads + head) * params.queries + i] = log_sum[n];
            }
        }
    }
}
