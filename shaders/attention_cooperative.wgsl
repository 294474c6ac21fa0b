// attention_cooperative — the same mixture by the units that multiply small matrices (tensor cores, simdgroup matrices).
//
// math      as attention, in two walks: the first finds L_i = log Σ_j exp(s_ij), the second adds up Σ_j exp(s_ij − L_i)·v_j. A
//           fragment has no elements that a lane could rescale, so the sums cannot begin before the largest score is known
// variant   attention
// source    definition; WGSL's cooperative matrices are an extension of wgpu 30, after VK_KHR_cooperative_matrix
// shapes    as attention
// work      one workgroup of four subgroups per (4·F queries, 8·F channels of Y, head, item), walking over tiles of 2·F keys, F =
//           FRAGMENT; dispatch (⌈T/4F⌉, A·⌈D/8F⌉, B)
// cost      6·B·A·T·S·D FLOPs of fragments, 2·B·A·T·S exponentials; words: Y once, Q and K 2·⌈S/2F⌉ and 2·⌈T/4F⌉ times, V ⌈T/4F⌉ times
// limits    fragments of Element summed in f32, four subgroups of LANES lanes at least, at most 24 KiB of workgroup memory for f16
// numerics  as attention; p is rounded to Element before it meets V
// uses      shared/attention_place.wgsl, shared/attention_fragments.wgsl, shared/attention_masks.wgsl, shared/philox.wgsl

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

var<workgroup> row_lse: array<f32, TILE_ROWS>;  // L

// Scores of a block of what is parked, HIDDEN where a row does not see the column.
fn scores(item: u32, i0: u32, j0: u32, block: u32) -> mat4x4f {
    var s = parked_block(block);
    for (var r = 0u; r < 4u; r++) {
        let seen = visible(item, i0 + first_row(block) + r, j0 + first_column(block));
        s[r] = select(vec4f(HIDDEN), s[r] * params.scale, seen);
    }
    return s;
}

// Of four rows: the largest score so far and Σ exp(score − largest).
struct Running {
    maximum: vec4f,
    total: vec4f,
}

// With the scores of a block added.
fn add_scores(so_far: Running, s: mat4x4f) -> Running {
    var next = so_far;
    for (var r = 0u; r < 4u; r++) {
        let peak = max(max(max(s[r].x, s[r].y), max(s[r].z, s[r].w)), so_far.maximum[r]);
        // A finite sentinel needs the select: in a row hidden so far, exp(HIDDEN − HIDDEN) is 1.
        let p = select(vec4f(0.0), exp(s[r] - vec4f(peak)), s[r] > vec4f(0.5 * HIDDEN));
        let rescale = exp(so_far.maximum[r] - peak);
        next.total[r] = so_far.total[r] * rescale + (p.x + p.y) + (p.z + p.w);
        next.maximum[r] = peak;
    }
    return next;
}

// Writes what a lane found of the rows of its blocks where `row_log_sum` reads it.
fn publish(lane: u32, n: u32, found: Running) {
    let block = n * LANES + lane;
    if block < BLOCKS {
        let at = block % (FRAGMENT / 2u) * TILE_ROWS + first_row(block);
        for (var r = 0u; r < 4u; r++) {
            parked[at + r] = found.maximum[r];
            parked[4u * BLOCKS + at + r] = found.total[r];
        }
    }
}

// L of a row of the tile, 10³⁰ if it sees nothing.
fn row_log_sum(row: u32) -> f32 {
    var peak = HIDDEN;
    for (var n = 0u; n < FRAGMENT / 2u; n++) {
        peak = max(peak, parked[n * TILE_ROWS + row]);
    }
    var sum = 0.0;
    for (var n = 0u; n < FRAGMENT / 2u; n++) {
        let at = n * TILE_ROWS + row;
        sum += parked[4u * BLOCKS + at] * exp(parked[at] - peak);
    }
    return select(1e30, peak + log(max(sum, 1e-30)), sum > 0.0);
}

@compute @workgroup_size(LANES)
fn forward(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32, @builtin(subgroup_id) subgroup: u32) {
    let place = place_of(group, lane);
    let head = place.head;
    let item = group.z;  // not of place, beside a lane: where the walk ends must be seen to be one for all
    let i0 = group.x * TILE_ROWS;
    let end = seen_by(item, min(i0 + TILE_ROWS, params.queries) - 1u);

    var own_q: array<Left, LEFTS>;
    load_own(&own_q, Q, place, subgroup, i0);
    var found: array<Running, BLOCKS_A_LANE>;  // of the rows of each block, in the columns of the lane
    for (var n = 0u; n < BLOCKS_A_LANE; n++) {
        found[n].maximum = vec4f(HIDDEN);
    }
    for (var j0 = 0u; j0 < end; j0 += TILE_COLUMNS) {
        products(&own_q, K, place, subgroup, j0);
        for (var n = 0u; n < BLOCKS_A_LANE; n++) {
            found[n] = add_scores(found[n], scores(item, i0, j0, block_of(lane, n)));
        }
    }
    workgroupBarrier();
    for (var n = 0u; n < BLOCKS_A_LANE; n++) {
        publish(lane, n, found[n]);
    }
    workgroupBarrier();
    for (var row = lane; row < TILE_ROWS; row += LANES) {
        row_lse[row] = row_log_sum(row);
        let i = i0 + row;
        if i < params.queries && place.first == 0u {
            lse[(item * params.heads + head) * params.queries + i] = row_lse[row];
        }
    }
    workgroupBarrier();

    var sums: array<Sum, 8>;  // Σ z·p·v
    for (var j0 = 0u; j0 < end; j0 += TILE_COLUMNS) {
        products(&own_q, K, place, subgroup, j0);
        for (var n = 0u; n < BLOCKS_A_LANE; n++) {
            let block = block_of(lane, n);
            var p = scores(item, i0, j0, block);
            for (var r = 0u; r < 4u; r++) {
                let log_sum = row_lse[first_row(block) + r];
                p[r] = select(vec4f(0.0), exp(p[r] - vec4f(log_sum)), p[r] > vec4f(0.5 * HIDDEN));
            }
            if params.threshold != 0u {
                for (var r = 0u; r < 4u; r++) {
                    p[r] *= dropout_scale(item, head, i0 + first_row(block) + r, j0 + first_column(block));
                }
            }
            write_weights(lane, n, p);
        }
        add_weighted(&sums, V, place, subgroup, j0);
    }
    for (var round = 0u; round < rounds(); round++) {
        park_results(&sums, subgroup, round);
        for (var n = 0u; n < BLOCKS_A_LANE; n++) {
            let block = block_of(lane, n);
            let rows = parked_block(block);
            let c = channel_of(place, round, block);
            for (var r = 0u; r < 4u; r++) {
                let i = i0 + first_row(block) + r;
                if i < params.queries && c < params.width / 4u {
                    y[((item * params.queries + i) * params.heads + head) * (params.width / 4u) + c] = Element4(rows[r]);
                }
            }
        }
    }
}
