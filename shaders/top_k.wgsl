// top_k — the k largest scores of each row, best first, with their columns.
//
// math      order (s, j) before (s′, j′) when s > s′, or s = s′ and j < j′; −0 = +0, NaN comes last; keep the first k
// source    radix selection as in Alabi et al. 2012, "Fast k-selection algorithms for graphics processors", §4, and
//           Batcher 1968, "Sorting networks and their applications", for the k that remain
// shapes    N rows of C scores, 1 ≤ k ≤ min(C, 1024)
// work      one workgroup per row, LANES lanes stride over C; dispatch N groups spread over x and y
// cost      reads C words once per digit of 8 bits (2 to 4 digits where scores differ) and once to collect
// limits    k ≤ MAX_K: 8 KiB of workgroup memory hold the list
// numerics  scores are compared as integers in the order of the floats, columns break ties: the result is exact and
//           does not depend on the order in which lanes arrive
// uses      shared/lanes.wgsl

struct Params {
    rows: u32,     // N
    columns: u32,  // C
    k: u32,        // how many to keep
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> scores: array<f32>;          // [N, C]
@group(0) @binding(2) var<storage, read_write> values: array<f32>;    // [N, k]  best first
@group(0) @binding(3) var<storage, read_write> indices: array<u32>;   // [N, k]  their columns

const MAX_K: u32 = 1024u;
const BINS: u32 = LANES; // one per value of a digit, so a digit has 8 bits
const DIGIT_BITS: u32 = 8u;

var<workgroup> histogram: array<atomic<u32>, BINS>;
var<workgroup> chosen: vec3u;                    // the digit's bin, how many rank above it, how many lie in it
var<workgroup> kept: atomic<u32>;
var<workgroup> candidates: array<vec2u, MAX_K>;  // rank of each kept score

// A pair that grows with the rank of `score` at `column`: unsigned comparison of .x, then of .y.
fn rank_of(score: f32, column: u32) -> vec2u {
    let bits = bitcast<u32>(score);
    let magnitude = bits & 0x7FFFFFFFu;
    if magnitude > 0x7F800000u {
        return vec2u(0u, ~column); // NaN
    }
    let positive = bits < 0x80000000u || magnitude == 0u;
    return vec2u(select(~bits, magnitude | 0x80000000u, positive), ~column);
}

fn is_before(a: vec2u, b: vec2u) -> bool {
    return a.x > b.x || (a.x == b.x && a.y > b.y);
}

// The rank that exactly k scores of the row reach: found digit by digit, from the highest.
fn threshold(start: u32, lane: u32) -> vec2u {
    var prefix = vec2u(0u);
    var known = vec2u(0u); // mask of the bits of `prefix` that are settled
    var wanted = params.k; // how many of those that share the prefix are to be kept
    for (var digit = 0u; digit < 8u; digit++) {
        let shift = 24u - DIGIT_BITS * (digit & 3u);
        atomicStore(&histogram[lane], 0u);
        workgroupBarrier();
        for (var c = lane; c < params.columns; c += LANES) {
            let rank = rank_of(scores[start + c], c);
            if all(((rank ^ prefix) & known) == vec2u(0u)) {
                let word = select(rank.y, rank.x, digit < 4u);
                atomicAdd(&histogram[(word >> shift) & (BINS - 1u)], 1u);
            }
        }
        workgroupBarrier();
        var above = 0u;
        for (var bin = lane + 1u; bin < BINS; bin++) {
            above += atomicLoad(&histogram[bin]);
        }
        let inside = atomicLoad(&histogram[lane]);
        if above < wanted && above + inside >= wanted {
            chosen = vec3u(lane, above, inside);
        }
        let found = workgroupUniformLoad(&chosen);
        let settled = vec2u(select(0u, 1u, digit < 4u), select(1u, 0u, digit < 4u));
        prefix |= settled * (found.x << shift);
        known |= settled * ((BINS - 1u) << shift);
        wanted -= found.y;
        if found.z == wanted {
            break; // all that share the prefix are kept
        }
    }
    return prefix;
}

// Batcher's bitonic sort of `candidates[0..size]`, best first; `size` is a power of two.
fn sort_candidates(size: u32, lane: u32) {
    for (var block = 2u; block <= size; block *= 2u) {
        for (var stride = block / 2u; stride > 0u; stride /= 2u) {
            workgroupBarrier();
            for (var pair = lane; pair < size / 2u; pair += LANES) {
                let low = 2u * stride * (pair / stride) + pair % stride;
                let high = low + stride;
                let a = candidates[low];
                let b = candidates[high];
                let best_first = (low & block) == 0u;
                if is_before(b, a) == best_first {
                    candidates[low] = b;
                    candidates[high] = a;
                }
            }
        }
    }
    workgroupBarrier();
}

@compute @workgroup_size(LANES)
fn forward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = group.y * groups.x + group.x;
    if row >= params.rows {
        return;
    }
    let start = row * params.columns;
    let lowest_kept = threshold(start, lane);

    if lane == 0u {
        atomicStore(&kept, 0u);
    }
    var size = 1u; // the power of two not below k
    while size < params.k {
        size *= 2u;
    }
    for (var i = lane; i < size; i += LANES) {
        candidates[i] = vec2u(0u); // after every score: ~column is 0 for no column
    }
    workgroupBarrier();
    for (var c = lane; c < params.columns; c += LANES) {
        let rank = rank_of(scores[start + c], c);
        if !is_before(lowest_kept, rank) {
            candidates[atomicAdd(&kept, 1u)] = rank;
        }
    }
    sort_candidates(size, lane);

    for (var i = lane; i < params.k; i += LANES) {
        let column = ~candidates[i].y;
        values[row * params.k + i] = scores[start + column];
        indices[row * params.k + i] = column;
    }
}
