// attention_software — the same for adapters that emulate a GPU with vectors of eight lanes.
//
// math      as attention
// variant   attention
// source    as attention; what it beats is in docs/kernels/attention.md
// shapes    as attention
// work      one subgroup of 8 lanes per 64 queries: a lane owns eight, as two tiles of four, and tiles of 64 keys pass by
//           broadcast (shared/attention_lanes.wgsl); dispatch (⌈T/64⌉, A, B)
// cost      as attention; per channel and 512 multiply-adds a lane reads 8 words for scores and 8 for sums. q of its rows and
//           their sums lie in its own arrays where D ≤ 64; otherwise in q and y, which is 32 words more
// limits    subgroups of exactly 8 lanes (llvmpipe with 256-bit vectors); no workgroup memory, no barriers
// numerics  as attention
// uses      shared/attention_lanes.wgsl, shared/attention_soften.wgsl, shared/philox.wgsl

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
@group(0) @binding(1) var<storage, read> q: array<f32>;             // [B, T, A, D]
@group(0) @binding(2) var<storage, read> k: array<f32>;             // [B, S, A, D]
@group(0) @binding(3) var<storage, read> v: array<f32>;             // [B, S, A, D]
@group(0) @binding(4) var<storage, read> lengths: array<u32>;       // [B], or anything if not has_lengths
@group(0) @binding(5) var<storage, read> bits: array<u32>;          // [B, T, ⌈S/32⌉], or anything if not has_bits
@group(0) @binding(6) var<storage, read> key: array<u32>;           // [2] the step's key of dropout
@group(0) @binding(7) var<storage, read_write> y: array<f32>;       // [B, T, A, D]
@group(0) @binding(8) var<storage, read_write> lse: array<f32>;     // [B, A, T]  L, kept for backward

override CHUNKS: u32 = 4u;  // 2 where D ≤ WIDEST, else 4

const WIDEST: u32 = 64u;  // channels that a lane's arrays hold; llvmpipe compiles in the square of it
const HIDDEN: f32 = -1e30;

// [r][c] of row r of four: q, or Σ z·exp(s − maximum)·v so far.
alias Channels = array<array<f32, WIDEST>, OWN>;

// What four queries of a lane have of two channels.
struct Two {
    first: vec4f,
    second: vec4f,
}

// Four queries of a lane.
struct Rows {
    i: vec4u,           // clamped to the last
    valid: vec4<bool>,  // not clamped
    start: vec4u,       // of channel 0, in q and y
    maximum: vec4f,     // of the scores so far
    total: vec4f,       // Σ exp(s − maximum) so far
}

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

// Which of the 64 columns from j0 the rows see.
fn seen_bits(item: u32, rows: Rows, j0: u32) -> Bits {
    let words = (params.keys + 31u) / 32u;
    var seen = Bits();
    for (var r = 0u; r < OWN; r++) {
        let count = max(seen_by(item, rows.i[r]), j0) - j0;
        seen.low[r] = ones(count);
        seen.high[r] = ones(max(count, 32u) - 32u);
        if params.has_bits != 0u {
            let start = (item * params.queries + rows.i[r]) * words;
            seen.low[r] &= bits[start + j0 / 32u];
            seen.high[r] &= bits[start + min(j0 / 32u + 1u, words - 1u)];
        }
    }
    return seen;
}

// Which of the 64 columns from j0 dropout keeps.
fn kept_bits(item: u32, rows: Rows, j0: u32, head: u32) -> Bits {
    if params.threshold == 0u {
        return Bits(vec4u(0xFFFFFFFFu), vec4u(0xFFFFFFFFu));
    }
    var kept = Bits();
    for (var r = 0u; r < OWN; r++) {
        let row = item * params.queries + rows.i[r] + params.first_row;
        for (var quad = 0u; quad < OTHERS / 4u; quad++) {
            let word = philox(vec4u(j0 / 4u + quad, row, params.site, head), vec2u(key[0], key[1]));
            let keep = select(vec4u(0u), vec4u(1u, 2u, 4u, 8u), word >= vec4u(params.threshold));
            let nibble = (keep.x | keep.y | keep.z | keep.w) << (quad % 8u * 4u);
            kept.low[r] |= select(0u, nibble, quad < 8u);
            kept.high[r] |= select(nibble, 0u, quad < 8u);
        }
    }
    return kept;
}

fn rows_from(i0: u32, item: u32, head: u32) -> Rows {
    let i = vec4u(i0, i0 + 1u, i0 + 2u, i0 + 3u);
    let last = vec4u(params.queries - 1u);
    let row = vec4u(item * params.queries) + min(i, last);
    let start = (row * params.heads + vec4u(head)) * params.width;
    return Rows(min(i, last), i <= last, start, vec4f(HIDDEN), vec4f(0.0));
}

// Whether this pipeline's heads fit the arrays.
fn is_narrow() -> bool {
    return CHUNKS * 32u <= WIDEST;
}

fn read_channel(channels: ptr<function, Channels>, c: u32) -> vec4f {
    return vec4f(channels[0][c], channels[1][c], channels[2][c], channels[3][c]);
}

fn write_channel(channels: ptr<function, Channels>, c: u32, value: vec4f) {
    channels[0][c] = value.x;
    channels[1][c] = value.y;
    channels[2][c] = value.z;
    channels[3][c] = value.w;
}

fn read_q(rows: Rows, c: u32) -> vec4f {
    let at = rows.start + vec4u(c);
    return vec4f(q[at.x], q[at.y], q[at.z], q[at.w]);
}

fn load_q(kept: ptr<function, Channels>, rows: Rows, c: u32) -> vec4f {
    if is_narrow() {
        return read_channel(kept, c);
    }
    return read_q(rows, c);
}

// score + Σ k·q over two channels of the key that has `other` of them.
fn with_two(score: vec4f, other: vec2f, own: Two) -> vec4f {
    return fma(vec4f(other.y), own.second, fma(vec4f(other.x), own.first, score));
}

// The same for the eight keys from `first`, in both tiles; lane i read `other` of key `first` + i.
fn add_two(
    upper: ptr<function, array<vec4f, 64>>,
    lower: ptr<function, array<vec4f, 64>>,
    first: u32,
    other: vec2f,
    upper_q: Two,
    lower_q: Two,
) {
    let key_0 = subgroupBroadcast(other, 0u);
    upper[first + 0u] = with_two(upper[first + 0u], key_0, upper_q);
    lower[first + 0u] = with_two(lower[first + 0u], key_0, lower_q);
    let key_1 = subgroupBroadcast(other, 1u);
    upper[first + 1u] = with_two(upper[first + 1u], key_1, upper_q);
    lower[first + 1u] = with_two(lower[first + 1u], key_1, lower_q);
    let key_2 = subgroupBroadcast(other, 2u);
    upper[first + 2u] = with_two(upper[first + 2u], key_2, upper_q);
    lower[first + 2u] = with_two(lower[first + 2u], key_2, lower_q);
    let key_3 = subgroupBroadcast(other, 3u);
    upper[first + 3u] = with_two(upper[first + 3u], key_3, upper_q);
    lower[first + 3u] = with_two(lower[first + 3u], key_3, lower_q);
    let key_4 = subgroupBroadcast(other, 4u);
    upper[first + 4u] = with_two(upper[first + 4u], key_4, upper_q);
    lower[first + 4u] = with_two(lower[first + 4u], key_4, lower_q);
    let key_5 = subgroupBroadcast(other, 5u);
    upper[first + 5u] = with_two(upper[first + 5u], key_5, upper_q);
    lower[first + 5u] = with_two(lower[first + 5u], key_5, lower_q);
    let key_6 = subgroupBroadcast(other, 6u);
    upper[first + 6u] = with_two(upper[first + 6u], key_6, upper_q);
    lower[first + 6u] = with_two(lower[first + 6u], key_6, lower_q);
    let key_7 = subgroupBroadcast(other, 7u);
    upper[first + 7u] = with_two(upper[first + 7u], key_7, upper_q);
    lower[first + 7u] = with_two(lower[first + 7u], key_7, lower_q);
}

// Scores of 32 keys from `first`, four read by a lane. A loop for 64 is more than a processor's cache of instructions.
fn score(
    upper_tile: ptr<function, array<vec4f, 64>>,
    lower_tile: ptr<function, array<vec4f, 64>>,
    first: u32,
    start: vec4u,
    upper_q: ptr<function, Channels>,
    lower_q: ptr<function, Channels>,
    upper: Rows,
    lower: Rows,
) {
    for (var c = 0u; c < params.width; c += 2u) {
        let d = c + 1u;
        let own_upper = Two(load_q(upper_q, upper, c), load_q(upper_q, upper, d));
        let own_lower = Two(load_q(lower_q, lower, c), load_q(lower_q, lower, d));
        add_two(upper_tile, lower_tile, first, vec2f(k[start.x + c], k[start.x + d]), own_upper, own_lower);
        add_two(upper_tile, lower_tile, first + 8u, vec2f(k[start.y + c], k[start.y + d]), own_upper, own_lower);
        add_two(upper_tile, lower_tile, first + 16u, vec2f(k[start.z + c], k[start.z + d]), own_upper, own_lower);
        add_two(upper_tile, lower_tile, first + 24u, vec2f(k[start.w + c], k[start.w + d]), own_upper, own_lower);
    }
}

fn store_y(rows: Rows, c: u32, value: vec4f) {
    for (var r = 0u; r < OWN; r++) {
        if rows.valid[r] {
            y[rows.start[r] + c] = value[r];
        }
    }
}

fn load_sums(sums: ptr<function, Channels>, rows: Rows, c: u32) -> vec4f {
    if is_narrow() {
        return read_channel(sums, c);
    }
    let at = rows.start + vec4u(c);
    return vec4f(y[at.x], y[at.y], y[at.z], y[at.w]);
}

fn store_sums(sums: ptr<function, Channels>, rows: Rows, c: u32, value: vec4f) {
    if is_narrow() {
        write_channel(sums, c, value);
    } else {
        store_y(rows, c, value);
    }
}

// y = sums / Σ, and the log-sum-exp.
fn finish(sums: ptr<function, Channels>, rows: Rows, item: u32, head: u32) {
    let sees = rows.total > vec4f(0.0);
    let total = max(rows.total, vec4f(1e-30));
    for (var c = 0u; c < params.width; c++) {
        store_y(rows, c, select(vec4f(0.0), load_sums(sums, rows, c) / total, sees));
    }
    let note = select(vec4f(1e30), rows.maximum + log(total), sees);
    for (var r = 0u; r < OWN; r++) {
        if rows.valid[r] {
            lse[(item * params.heads + head) * params.queries + rows.i[r]] = note[r];
        }
    }
}

@compute @workgroup_size(SUBGROUP)
fn forward(@builtin(workgroup_id) group: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
    let head = group.y;
    let item = group.z;
    let i0 = group.x * SUBGROUP * 2u * OWN;
    var upper = rows_from(i0 + 2u * OWN * lane, item, head);
    var lower = rows_from(i0 + 2u * OWN * lane + OWN, item, head);
    var upper_q: Channels;
    var lower_q: Channels;
    var upper_sums: Channels;  // zeros
    var lower_sums: Channels;
    for (var c = 0u; c < params.width; c++) {
        if is_narrow() {
            write_channel(&upper_q, c, read_q(upper, c));
            write_channel(&lower_q, c, read_q(lower, c));
        } else {
            store_y(upper, c, vec4f(0.0));
            store_y(lower, c, vec4f(0.0));
        }
    }
    let end = seen_by(item, min(i0 + SUBGROUP * 2u * OWN, params.queries) - 1u);
    for (var j0 = 0u; j0 < end; j0 += OTHERS) {
        var start: array<u32, 8>;  // of this lane's share of the keys
        for (var g = 0u; g < 8u; g++) {
            let j = min(j0 + 8u * g + lane, params.keys - 1u);
            start[g] = ((item * params.keys + j) * params.heads + head) * params.width;
        }
        var upper_tile: array<vec4f, 64>;
        var lower_tile: array<vec4f, 64>;
        let near = vec4u(start[0], start[1], start[2], start[3]);
        let far = vec4u(start[4], start[5], start[6], start[7]);
        score(&upper_tile, &lower_tile, 0u, near, &upper_q, &lower_q, upper, lower);
        score(&upper_tile, &lower_tile, 32u, far, &upper_q, &lower_q, upper, lower);
        let upper_seen = seen_bits(item, upper, j0);
        let lower_seen = seen_bits(item, lower, j0);
        let upper_scale = soften(&upper_tile, &upper, upper_seen, kept_bits(item, upper, j0, head));
        let lower_scale = soften(&lower_tile, &lower, lower_seen, kept_bits(item, lower, j0, head));
        for (var c = 0u; c < params.width; c++) {
            let share = array<f32, 8>(
                v[start[0] + c], v[start[1] + c], v[start[2] + c], v[start[3] + c],
                v[start[4] + c], v[start[5] + c], v[start[6] + c], v[start[7] + c],
            );
            let upper_sum = upper_scale * load_sums(&upper_sums, upper, c);
            let lower_sum = lower_scale * load_sums(&lower_sums, lower, c);
            store_sums(&upper_sums, upper, c, add_mixture(&upper_tile, share, upper_sum));
            store_sums(&lower_sums, lower, c, add_mixture(&lower_tile, share, lower_sum));
        }
    }
    finish(&upper_sums, upper, item, head);
    finish(&lower_sums, lower, item, head);
}
