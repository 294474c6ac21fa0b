// attention_backward_software_fused — both walks in one, for adapters that emulate a GPU with vectors of eight lanes.
//
// math      as attention_backward
// variant   attention_backward_fused
// source    as attention_backward; what it beats is in docs/kernels/attention.md
// shapes    as attention; `notes` is what backward_rows of attention_backward.wgsl wrote
// work      one subgroup of 8 lanes per (head, item): for 64 queries it walks over tiles of 32 keys, four a lane. What it
//           reads of the queries stays in the lanes' own arrays and passes by broadcast; the weights are made with a lane
//           a key, and ds is turned to a lane a query for dq; dispatch (1, A, B)
// cost      10·B·A·T·S·D FLOPs; per channel and 1,280 multiply-adds a lane reads or writes 44 words of buffers, and reads
//           32 of its arrays; every gradient grows in memory that one subgroup owns
// limits    D ≤ 64; subgroups of exactly 8 lanes (llvmpipe with 256-bit vectors); no workgroup memory, no barriers.
//           llvmpipe leaves an invocation's loops after 65,535 rounds, so the op counts them (engine/src/ops/attention.rs)
// numerics  as attention_backward
// uses      shared/attention_lanes.wgsl, shared/attention_notes.wgsl, shared/philox.wgsl

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
@group(0) @binding(1) var<storage, read> q: array<f32>;              // [B, T, A, D]
@group(0) @binding(2) var<storage, read> k: array<f32>;              // [B, S, A, D]
@group(0) @binding(3) var<storage, read> v: array<f32>;              // [B, S, A, D]
@group(0) @binding(5) var<storage, read> dy: array<f32>;             // [B, T, A, D]
@group(0) @binding(10) var<storage, read> notes: array<f32>;         // [4 + B + 2·B·A·T + 2·B·T·⌈S/32⌉]
@group(0) @binding(11) var<storage, read_write> dq: array<f32>;      // [B, T, A, D]
@group(0) @binding(12) var<storage, read_write> dk: array<f32>;      // [B, S, A, D]
@group(0) @binding(13) var<storage, read_write> dv: array<f32>;      // [B, S, A, D]

override CHUNKS: u32 = 4u;  // ⌈D/32⌉, which only the tiles of the other variant need to know

const WIDEST: u32 = 64u;  // channels; llvmpipe compiles in the square of it

// Four rows of a lane.
struct Rows {
    valid: vec4<bool>,
    start: vec4u,  // of channel 0; of the last row where not valid
}

fn rows_from(first: u32, length: u32, item: u32, head: u32) -> Rows {
    let row = vec4u(first, first + 1u, first + 2u, first + 3u);
    let last = vec4u(length - 1u);
    let start = (vec4u(item * length) + min(row, last)) * params.heads + vec4u(head);
    return Rows(row <= last, start * params.width);
}

fn load_keys(own: Rows, c: u32) -> vec4f {
    let at = own.start + vec4u(c);
    return vec4f(k[at.x], k[at.y], k[at.z], k[at.w]);
}

fn load_values(own: Rows, c: u32) -> vec4f {
    let at = own.start + vec4u(c);
    return vec4f(v[at.x], v[at.y], v[at.z], v[at.w]);
}

fn add_to_dq(own: Rows, c: u32, value: vec4f) {
    for (var r = 0u; r < OWN; r++) {
        if own.valid[r] {
            dq[own.start[r] + c] += value[r];
        }
    }
}

// Which of the 32 keys from j0 query i sees.
fn seen_word(item: u32, i: u32, j0: u32) -> u32 {
    let row = min(i, params.queries - 1u);
    var word = ones(max(seen_by(item, row), j0) - j0);
    if params.has_bits != 0u {
        let words = (params.keys + 31u) / 32u;
        let start = 4u + params.batch + 2u * params.batch * params.heads * params.queries;
        let half = start + ((item * params.queries + row) * words + j0 / 32u) * 2u;
        word &= u32(notes[half]) | (u32(notes[half + 1u]) << 16u);
    }
    return select(0u, word, i < params.queries);
}

// Which of the 64 queries from i0 keep the lane's four keys from j.
fn kept_bits(item: u32, head: u32, i0: u32, j: u32) -> Bits {
    if params.threshold == 0u {
        return Bits(vec4u(0xFFFFFFFFu), vec4u(0xFFFFFFFFu));
    }
    let key = vec2u(u32(notes[0]), u32(notes[2])) | (vec2u(u32(notes[1]), u32(notes[3])) << vec2u(16u));
    var kept = Bits();
    let first_row = item * params.queries + i0 + params.first_row;
    for (var n = 0u; n < OTHERS; n++) {
        let word = philox(vec4u(j / 4u, first_row + n, params.site, head), key);
        let keep = select(vec4u(0u), vec4u(1u << (n % 32u)), word >= vec4u(params.threshold));
        kept.low |= select(vec4u(0u), keep, n < 32u);
        kept.high |= select(keep, vec4u(0u), n < 32u);
    }
    return kept;
}

// What a lane reads of query i: which of the 32 keys from j0 it sees, and the bits of L and Δ.
fn load_note(item: u32, head: u32, i: u32, j0: u32) -> vec3u {
    let note = note_of(item, head, min(i, params.queries - 1u));
    let delta = notes[note + params.batch * params.heads * params.queries];
    return vec3u(seen_word(item, i, j0), bitcast<u32>(notes[note]), bitcast<u32>(delta));
}

// Score s and product dp = ⟨dy, v⟩ of query j of the tile become z·p and ds = p·(z·dp − Δ); `own` has the bits of the
// lane's keys.
fn differentiate(s: ptr<function, array<vec4f, 64>>, dp: ptr<function, array<vec4f, 64>>, j: u32, own: vec4u, kept: Bits, note: vec3u) {
    let seen = (own & vec4u(note.x)) != vec4u(0u);
    let p = select(vec4f(0.0), exp(s[j] * params.scale - vec4f(bitcast<f32>(note.y))), seen);
    let z = select(vec4f(0.0), vec4f(params.keep_scale), bit(kept, j));
    s[j] = z * p;
    dp[j] = p * (z * dp[j] - vec4f(bitcast<f32>(note.z)));
}

// For eight queries, of which lane i read the note of query `first` + i.
fn through_eight(s: ptr<function, array<vec4f, 64>>, dp: ptr<function, array<vec4f, 64>>, first: u32, own: vec4u, kept: Bits, note: vec3u) {
    differentiate(s, dp, first + 0u, own, kept, subgroupBroadcast(note, 0u));
    differentiate(s, dp, first + 1u, own, kept, subgroupBroadcast(note, 1u));
    differentiate(s, dp, first + 2u, own, kept, subgroupBroadcast(note, 2u));
    differentiate(s, dp, first + 3u, own, kept, subgroupBroadcast(note, 3u));
    differentiate(s, dp, first + 4u, own, kept, subgroupBroadcast(note, 4u));
    differentiate(s, dp, first + 5u, own, kept, subgroupBroadcast(note, 5u));
    differentiate(s, dp, first + 6u, own, kept, subgroupBroadcast(note, 6u));
    differentiate(s, dp, first + 7u, own, kept, subgroupBroadcast(note, 7u));
}

// One of four vectors by the lowest bits of the lane.
fn own_of_four(lane: u32, x0: vec4f, x1: vec4f, x2: vec4f, x3: vec4f) -> vec4f {
    let odd = (lane & 1u) != 0u;
    return select(select(x0, x1, odd), select(x2, x3, odd), (lane & 2u) != 0u);
}

// Component r of four vectors from `at`.
fn put(turned: ptr<function, array<vec4f, 64>>, at: u32, r: u32, value: vec4f) {
    for (var n = 0u; n < 4u; n++) {
        turned[at + n][r] = value[n];
    }
}

// A lane has [query][key r] of its four keys for 32 queries; it gets [key][query r] of its four queries for 32 keys.
// The eight sources are written out, because subgroupBroadcast takes a lane that is a constant.
fn turn(tile: ptr<function, array<vec4f, 64>>, turned: ptr<function, array<vec4f, 64>>, first: u32, r: u32, lane: u32) {
    let x = array<vec4f, 8>(
        tile[first + r], tile[first + 4u + r], tile[first + 8u + r], tile[first + 12u + r],
        tile[first + 16u + r], tile[first + 20u + r], tile[first + 24u + r], tile[first + 28u + r],
    );
    let low_0 = own_of_four(lane, subgroupBroadcast(x[0], 0u), subgroupBroadcast(x[1], 0u), subgroupBroadcast(x[2], 0u), subgroupBroadcast(x[3], 0u));
    let high_0 = own_of_four(lane, subgroupBroadcast(x[4], 0u), subgroupBroadcast(x[5], 0u), subgroupBroadcast(x[6], 0u), subgroupBroadcast(x[7], 0u));
    put(turned, first + 0u, r, select(low_0, high_0, lane >= 4u));
    let low_1 = own_of_four(lane, subgroupBroadcast(x[0], 1u), subgroupBroadcast(x[1], 1u), subgroupBroadcast(x[2], 1u), subgroupBroadcast(x[3], 1u));
    let high_1 = own_of_four(lane, subgroupBroadcast(x[4], 1u), subgroupBroadcast(x[5], 1u), subgroupBroadcast(x[6], 1u), subgroupBroadcast(x[7], 1u));
    put(turned, first + 4u, r, select(low_1, high_1, lane >= 4u));
    let low_2 = own_of_four(lane, subgroupBroadcast(x[0], 2u), subgroupBroadcast(x[1], 2u), subgroupBroadcast(x[2], 2u), subgroupBroadcast(x[3], 2u));
    let high_2 = own_of_four(lane, subgroupBroadcast(x[4], 2u), subgroupBroadcast(x[5], 2u), subgroupBroadcast(x[6], 2u), subgroupBroadcast(x[7], 2u));
    put(turned, first + 8u, r, select(low_2, high_2, lane >= 4u));
    let low_3 = own_of_four(lane, subgroupBroadcast(x[0], 3u), subgroupBroadcast(x[1], 3u), subgroupBroadcast(x[2], 3u), subgroupBroadcast(x[3], 3u));
    let high_3 = own_of_four(lane, subgroupBroadcast(x[4], 3u), subgroupBroadcast(x[5], 3u), subgroupBroadcast(x[6], 3u), subgroupBroadcast(x[7], 3u));
    put(turned, first + 12u, r, select(low_3, high_3, lane >= 4u));
    let low_4 = own_of_four(lane, subgroupBroadcast(x[0], 4u), subgroupBroadcast(x[1], 4u), subgroupBroadcast(x[2], 4u), subgroupBroadcast(x[3], 4u));
    let high_4 = own_of_four(lane, subgroupBroadcast(x[4], 4u), subgroupBroadcast(x[5], 4u), subgroupBroadcast(x[6], 4u), subgroupBroadcast(x[7], 4u));
    put(turned, first + 16u, r, select(low_4, high_4, lane >= 4u));
    let low_5 = own_of_four(lane, subgroupBroadcast(x[0], 5u), subgroupBroadcast(x[1], 5u), subgroupBroadcast(x[2], 5u), subgroupBroadcast(x[3], 5u));
    let high_5 = own_of_four(lane, subgroupBroadcast(x[4], 5u), subgroupBroadcast(x[5], 5u), subgroupBroadcast(x[6], 5u), subgroupBroadcast(x[7], 5u));
    put(turned, first + 20u, r, select(low_5, high_5, lane >= 4u));
    let low_6 = own_of_four(lane, subgroupBroadcast(x[0], 6u), subgroupBroadcast(x[1], 6u), subgroupBroadcast(x[2], 6u), subgroupBroadcast(x[3], 6u));
    let high_6 = own_of_four(lane, subgroupBroadcast(x[4], 6u), subgroupBroadcast(x[5], 6u), subgroupBroadcast(x[6], 6u), subgroupBroadcast(x[7], 6u));
    put(turned, first + 24u, r, select(low_6, high_6, lane >= 4u));
    let low_7 = own_of_four(lane, subgroupBroadcast(x[0], 7u), subgroupBroadcast(x[1], 7u), subgroupBroadcast(x[2], 7u), subgroupBroadcast(x[3], 7u));
    let high_7 = own_of_four(lane, subgroupBroadcast(x[4], 7u), subgroupBroadcast(x[5], 7u), subgroupBroadcast(x[6], 7u), subgroupBroadcast(x[7], 7u));
    put(turned, first + 28u, r, select(low_7, high_7, lane >= 4u));
}

// sum + Σ turned[j]·keys[j] over four keys.
fn add_four(turned: ptr<function, array<vec4f, 64>>, first: u32, keys: vec4f, sum: vec4f) -> vec4f {
    let half = fma(turned[first + 1u], vec4f(keys.y), fma(turned[first], vec4f(keys.x), sum));
    return fma(turned[first + 3u], vec4f(keys.w), fma(turned[first + 2u], vec4f(keys.z), half));
}

// Σ turned[j]·keys[j] over 32 keys from `first`, of which each lane has four.
fn add_keys(turned: ptr<function, array<vec4f, 64>>, first: u32, own_keys: vec4f) -> vec4f {
    let sum_0 = add_four(turned, first + 0u, subgroupBroadcast(own_keys, 0u), vec4f(0.0));
    let sum_1 = add_four(turned, first + 4u, subgroupBroadcast(own_keys, 1u), sum_0);
    let sum_2 = add_four(turned, first + 8u, subgroupBroadcast(own_keys, 2u), sum_1);
    let sum_3 = add_four(turned, first + 12u, subgroupBroadcast(own_keys, 3u), sum_2);
    let sum_4 = add_four(turned, first + 16u, subgroupBroadcast(own_keys, 4u), sum_3);
    let sum_5 = add_four(turned, first + 20u, subgroupBroadcast(own_keys, 5u), sum_4);
    let sum_6 = add_four(turned, first + 24u, subgroupBroadcast(own_keys, 6u), sum_5);
    return add_four(turned, first + 28u, subgroupBroadcast(own_keys, 7u), sum_6);
}

// What the lane holds of one channel of the rows that pass by.
fn channel(rows: ptr<function, array<array<f32, WIDEST>, 8>>, c: u32) -> array<f32, 8> {
    return array<f32, 8>(rows[0][c], rows[1][c], rows[2][c], rows[3][c], rows[4][c], rows[5][c], rows[6][c], rows[7][c]);
}

fn clear(item: u32, head: u32, lane: u32) {
    for (var first = OWN * lane; first < max(params.keys, params.queries); first += SUBGROUP * OWN) {
        let of_keys = rows_from(first, params.keys, item, head);
        let of_queries = rows_from(first, params.queries, item, head);
        for (var c = 0u; c < params.width; c++) {
            for (var r = 0u; r < OWN; r++) {
                if of_keys.valid[r] {
                    dk[of_keys.start[r] + c] = 0.0;
                    dv[of_keys.start[r] + c] = 0.0;
                }
                if of_queries.valid[r] {
                    dq[of_queries.start[r] + c] = 0.0;
                }
            }
        }
    }
}

@compute @workgroup_size(SUBGROUP)
fn backward(@builtin(workgroup_id) group: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
    let head = group.y;
    let item = group.z;
    clear(item, head, lane);
    var q_share: array<array<f32, WIDEST>, 8>;  // [g][c] of query 8·g + lane
    var dy_share: array<array<f32, WIDEST>, 8>;
    for (var i0 = 0u; i0 < params.queries; i0 += OTHERS) {
        var start: array<u32, 8>;
        for (var g = 0u; g < 8u; g++) {
            let row = min(i0 + 8u * g + lane, params.queries - 1u);
            start[g] = ((item * params.queries + row) * params.heads + head) * params.width;
        }
        for (var c = 0u; c < params.width; c++) {
            for (var g = 0u; g < 8u; g++) {
                q_share[g][c] = q[start[g] + c];
                dy_share[g][c] = dy[start[g] + c];
            }
        }
        let upper = rows_from(i0 + OWN * lane, params.queries, item, head);
        let lower = rows_from(i0 + OTHERS / 2u + OWN * lane, params.queries, item, head);
        let end = seen_by(item, min(i0 + OTHERS, params.queries) - 1u);
        for (var j0 = 0u; j0 < end; j0 += SUBGROUP * OWN) {
            let own = rows_from(j0 + OWN * lane, params.keys, item, head);
            var s: array<vec4f, 64>;
            var dp: array<vec4f, 64>;
            for (var c = 0u; c < params.width; c++) {
                add_products(&s, channel(&q_share, c), load_keys(own, c));
                add_products(&dp, channel(&dy_share, c), load_values(own, c));
            }
            let bits = vec4u(1u, 2u, 4u, 8u) << vec4u(OWN * lane);
            let kept = kept_bits(item, head, i0, j0 + OWN * lane);
            through_eight(&s, &dp, 0u, bits, kept, load_note(item, head, i0 + lane, j0));
            through_eight(&s, &dp, 8u, bits, kept, load_note(item, head, i0 + 8u + lane, j0));
            through_eight(&s, &dp, 16u, bits, kept, load_note(item, head, i0 + 16u + lane, j0));
            through_eight(&s, &dp, 24u, bits, kept, load_note(item, head, i0 + 24u + lane, j0));
            through_eight(&s, &dp, 32u, bits, kept, load_note(item, head, i0 + 32u + lane, j0));
            through_eight(&s, &dp, 40u, bits, kept, load_note(item, head, i0 + 40u + lane, j0));
            through_eight(&s, &dp, 48u, bits, kept, load_note(item, head, i0 + 48u + lane, j0));
            through_eight(&s, &dp, 56u, bits, kept, load_note(item, head, i0 + 56u + lane, j0));
            for (var c = 0u; c < params.width; c++) {
                let sum_v = add_mixture(&s, channel(&dy_share, c), vec4f(0.0));
                let sum_k = add_mixture(&dp, channel(&q_share, c), vec4f(0.0));
                for (var r = 0u; r < OWN; r++) {
                    if own.valid[r] {
                        dv[own.start[r] + c] += sum_v[r];
                        dk[own.start[r] + c] += params.scale * sum_k[r];
                    }
                }
            }
            var turned: array<vec4f, 64>;
            turn(&dp, &turned, 0u, 0u, lane);
            turn(&dp, &turned, 0u, 1u, lane);
            turn(&dp, &turned, 0u, 2u, lane);
            turn(&dp, &turned, 0u, 3u, lane);
            turn(&dp, &turned, 32u, 0u, lane);
            turn(&dp, &turned, 32u, 1u, lane);
            turn(&dp, &turned, 32u, 2u, lane);
            turn(&dp, &turned, 32u, 3u, lane);
            for (var c = 0u; c < params.width; c++) {
                let keys = load_keys(own, c);
                add_to_dq(upper, c, params.scale * add_keys(&turned, 0u, keys));
                add_to_dq(lower, c, params.scale * add_keys(&turned, 32u, keys));
            }
        }
    }
}
