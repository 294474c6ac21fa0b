// attention_backward_software — the two walks for adapters that emulate a GPU with vectors of eight lanes.
//
// math      as attention_backward
// variant   attention_backward
// source    as attention_backward; what it beats is in docs/kernels/attention.md
// shapes    as attention; `notes` is what backward_rows of attention_backward.wgsl wrote
// work      one subgroup of 8 lanes per 32 rows: a lane owns four queries (backward_queries) or keys (backward_keys), and
//           tiles of 64 of the others pass by broadcast; two subgroups per 64 rows; dispatch (⌈T or S / 64⌉, A, B)
// cost      as attention_backward; per channel and 256 multiply-adds a lane reads 12 words in products, 16 in sums
// limits    subgroups of exactly 8 lanes (llvmpipe with 256-bit vectors); no workgroup memory, no barriers
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

const LANES: u32 = 16u;  // two subgroups

// The four rows of a lane, queries or keys.
struct Rows {
    at: vec4u,          // clamped to the last
    valid: vec4<bool>,  // not clamped
    start: vec4u,       // of channel 0
}

fn rows_from(first: u32, length: u32, item: u32, head: u32) -> Rows {
    let row = vec4u(first, first + 1u, first + 2u, first + 3u);
    let last = vec4u(length - 1u);
    let start = (vec4u(item * length) + min(row, last)) * params.heads + vec4u(head);
    return Rows(min(row, last), row <= last, start * params.width);
}

// Where channel 0 of this lane's share of 64 rows from `first` lies.
fn share_from(first: u32, length: u32, item: u32, head: u32, lane: u32) -> array<u32, 8> {
    var start: array<u32, 8>;
    for (var g = 0u; g < 8u; g++) {
        let row = min(first + 8u * g + lane, length - 1u);
        start[g] = ((item * length + row) * params.heads + head) * params.width;
    }
    return start;
}

// Four flags as one bit each.
fn nibble(flags: vec4<bool>) -> u32 {
    let bits = select(vec4u(0u), vec4u(1u, 2u, 4u, 8u), flags);
    return bits.x | bits.y | bits.z | bits.w;
}

// Score s and product dp = ⟨dy, v⟩ of one other row become z·p and ds = p·(z·dp − Δ).
fn differentiate(
    s: ptr<function, array<vec4f, 64>>,
    dp: ptr<function, array<vec4f, 64>>,
    j: u32,
    seen: Bits,
    kept: Bits,
    lse: vec4f,
    delta: vec4f,
) {
    let p = select(vec4f(0.0), exp(s[j] * params.scale - lse), bit(seen, j));
    let z = select(vec4f(0.0), vec4f(params.keep_scale), bit(kept, j));
    s[j] = z * p;
    dp[j] = p * (z * dp[j] - delta);
}

// For eight keys: L and Δ are those of the own queries.
fn through_queries(
    s: ptr<function, array<vec4f, 64>>,
    dp: ptr<function, array<vec4f, 64>>,
    first: u32,
    seen: Bits,
    kept: Bits,
    lse: vec4f,
    delta: vec4f,
) {
    for (var j = first; j < first + 8u; j++) {
        differentiate(s, dp, j, seen, kept, lse, delta);
    }
}

// For eight queries: lane i read L and Δ of query `first` + i.
fn through_keys(
    s: ptr<function, array<vec4f, 64>>,
    dp: ptr<function, array<vec4f, 64>>,
    first: u32,
    seen: Bits,
    kept: Bits,
    note: u32,
) {
    let lse = notes[note];
    let delta = notes[note + params.batch * params.heads * params.queries];
    let lse_0 = vec4f(subgroupBroadcast(lse, 0u));
    let delta_0 = vec4f(subgroupBroadcast(delta, 0u));
    differentiate(s, dp, first + 0u, seen, kept, lse_0, delta_0);
    let lse_1 = vec4f(subgroupBroadcast(lse, 1u));
    let delta_1 = vec4f(subgroupBroadcast(delta, 1u));
    differentiate(s, dp, first + 1u, seen, kept, lse_1, delta_1);
    let lse_2 = vec4f(subgroupBroadcast(lse, 2u));
    let delta_2 = vec4f(subgroupBroadcast(delta, 2u));
    differentiate(s, dp, first + 2u, seen, kept, lse_2, delta_2);
    let lse_3 = vec4f(subgroupBroadcast(lse, 3u));
    let delta_3 = vec4f(subgroupBroadcast(delta, 3u));
    differentiate(s, dp, first + 3u, seen, kept, lse_3, delta_3);
    let lse_4 = vec4f(subgroupBroadcast(lse, 4u));
    let delta_4 = vec4f(subgroupBroadcast(delta, 4u));
    differentiate(s, dp, first + 4u, seen, kept, lse_4, delta_4);
    let lse_5 = vec4f(subgroupBroadcast(lse, 5u));
    let delta_5 = vec4f(subgroupBroadcast(delta, 5u));
    differentiate(s, dp, first + 5u, seen, kept, lse_5, delta_5);
    let lse_6 = vec4f(subgroupBroadcast(lse, 6u));
    let delta_6 = vec4f(subgroupBroadcast(delta, 6u));
    differentiate(s, dp, first + 6u, seen, kept, lse_6, delta_6);
    let lse_7 = vec4f(subgroupBroadcast(lse, 7u));
    let delta_7 = vec4f(subgroupBroadcast(delta, 7u));
    differentiate(s, dp, first + 7u, seen, kept, lse_7, delta_7);
}

@compute @workgroup_size(LANES)
fn backward_queries(
    @builtin(workgroup_id) group: vec3u,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let head = group.y;
    let item = group.z;
    let i0 = (group.x * (LANES / SUBGROUP) + subgroup) * SUBGROUP * OWN;
    let own = rows_from(i0 + OWN * lane, params.queries, item, head);
    for (var c = 0u; c < params.width; c++) {
        for (var r = 0u; r < OWN; r++) {
            if own.valid[r] {
                dq[own.start[r] + c] = 0.0;
            }
        }
    }
    var lse: vec4f;
    var delta: vec4f;
    for (var r = 0u; r < OWN; r++) {
        let note = note_of(item, head, own.at[r]);
        lse[r] = notes[note];
        delta[r] = notes[note + params.batch * params.heads * params.queries];
    }
    let last = min(i0 + SUBGROUP * OWN, params.queries) - 1u;
    let end = select(0u, seen_by(item, last), i0 < params.queries);
    for (var j0 = 0u; j0 < end; j0 += OTHERS) {
        let start = share_from(j0, params.keys, item, head, lane);
        var s: array<vec4f, 64>;
        var dp: array<vec4f, 64>;
        for (var c = 0u; c < params.width; c++) {
            let k_share = array<f32, 8>(
                k[start[0] + c], k[start[1] + c], k[start[2] + c], k[start[3] + c],
                k[start[4] + c], k[start[5] + c], k[start[6] + c], k[start[7] + c],
            );
            let v_share = array<f32, 8>(
                v[start[0] + c], v[start[1] + c], v[start[2] + c], v[start[3] + c],
                v[start[4] + c], v[start[5] + c], v[start[6] + c], v[start[7] + c],
            );
            add_products(&s, k_share, vec4f(q[own.start.x + c], q[own.start.y + c], q[own.start.z + c], q[own.start.w + c]));
            add_products(&dp, v_share, vec4f(dy[own.start.x + c], dy[own.start.y + c], dy[own.start.z + c], dy[own.start.w + c]));
        }
        var seen = Bits();
        var kept = Bits();
        for (var r = 0u; r < OWN; r++) {
            for (var quad = 0u; quad < 16u; quad++) {
                let j = j0 + 4u * quad;
                let sees = nibble(visible(item, own.at[r], j)) << (j % 32u);
                let keeps = nibble(dropout_scale(item, head, own.at[r], j) > vec4f(0.0)) << (j % 32u);
                seen.low[r] |= select(0u, sees, quad < 8u);
                seen.high[r] |= select(sees, 0u, quad < 8u);
                kept.low[r] |= select(0u, keeps, quad < 8u);
                kept.high[r] |= select(keeps, 0u, quad < 8u);
            }
        }
        through_queries(&s, &dp, 0u, seen, kept, lse, delta);
        through_queries(&s, &dp, 8u, seen, kept, lse, delta);
        through_queries(&s, &dp, 16u, seen, kept, lse, delta);
        through_queries(&s, &dp, 24u, seen, kept, lse, delta);
        through_queries(&s, &dp, 32u, seen, kept, lse, delta);
        through_queries(&s, &dp, 40u, seen, kept, lse, delta);
        through_queries(&s, &dp, 48u, seen, kept, lse, delta);
        through_queries(&s, &dp, 56u, seen, kept, lse, delta);
        for (var c = 0u; c < params.width; c++) {
            let share = array<f32, 8>(
                k[start[0] + c], k[start[1] + c], k[start[2] + c], k[start[3] + c],
                k[start[4] + c], k[start[5] + c], k[start[6] + c], k[start[7] + c],
            );
            let sum = add_mixture(&dp, share, vec4f(0.0));
            for (var r = 0u; r < OWN; r++) {
                if own.valid[r] {
                    dq[own.start[r] + c] += params.scale * sum[r];
                }
            }
        }
    }
}

@compute @workgroup_size(LANES)
fn backward_keys(
    @builtin(workgroup_id) group: vec3u,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let head = group.y;
    let item = group.z;
    let j0 = (group.x * (LANES / SUBGROUP) + subgroup) * SUBGROUP * OWN;
    let own = rows_from(j0 + OWN * lane, params.keys, item, head);
    for (var c = 0u; c < params.width; c++) {
        for (var r = 0u; r < OWN; r++) {
            if own.valid[r] {
                dk[own.start[r] + c] = 0.0;
                dv[own.start[r] + c] = 0.0;
            }
        }
    }
    // Causal: row i sees column j0 only if i ≥ j0 + T − S. Behind the length nobody sees anything.
    let first = select(0u, max(j0 + params.queries, params.keys) - params.keys, params.causal != 0u);
    let end = select(0u, params.queries, j0 < seen_by(item, params.queries - 1u));
    for (var i0 = first; i0 < end; i0 += OTHERS) {
        let start = share_from(i0, params.queries, item, head, lane);
        var s: array<vec4f, 64>;
        var dp: array<vec4f, 64>;
        for (var c = 0u; c < params.width; c++) {
            let q_share = array<f32, 8>(
                q[start[0] + c], q[start[1] + c], q[start[2] + c], q[start[3] + c],
                q[start[4] + c], q[start[5] + c], q[start[6] + c], q[start[7] + c],
            );
            let dy_share = array<f32, 8>(
                dy[start[0] + c], dy[start[1] + c], dy[start[2] + c], dy[start[3] + c],
                dy[start[4] + c], dy[start[5] + c], dy[start[6] + c], dy[start[7] + c],
            );
            add_products(&s, q_share, vec4f(k[own.start.x + c], k[own.start.y + c], k[own.start.z + c], k[own.start.w + c]));
            add_products(&dp, dy_share, vec4f(v[own.start.x + c], v[own.start.y + c], v[own.start.z + c], v[own.start.w + c]));
        }
        var seen = Bits();
        var kept = Bits();
        for (var n = 0u; n < OTHERS; n++) {
            let j = j0 + OWN * lane;
            let flag = vec4u(1u << (n % 32u));
            let sees = select(vec4u(0u), flag, visible(item, i0 + n, j));
            let keeps = select(vec4u(0u), flag, dropout_scale(item, head, i0 + n, j) > vec4f(0.0));
            seen.low |= select(vec4u(0u), sees, n < 32u);
            seen.high |= select(sees, vec4u(0u), n < 32u);
            kept.low |= select(vec4u(0u), keeps, n < 32u);
            kept.high |= select(keeps, vec4u(0u), n < 32u);
        }
        let note = note_of(item, head, 0u);
        let last = params.queries - 1u;
        through_keys(&s, &dp, 0u, seen, kept, note + min(i0 + 0u + lane, last));
        through_keys(&s, &dp, 8u, seen, kept, note + min(i0 + 8u + lane, last));
        through_keys(&s, &dp, 16u, seen, kept, note + min(i0 + 16u + lane, last));
        through_keys(&s, &dp, 24u, seen, kept, note + min(i0 + 24u + lane, last));
        through_keys(&s, &dp, 32u, seen, kept, note + min(i0 + 32u + lane, last));
        through_keys(&s, &dp, 40u, seen, kept, note + min(i0 + 40u + lane, last));
        through_keys(&s, &dp, 48u, seen, kept, note + min(i0 + 48u + lane, last));
        through_keys(&s, &dp, 56u, seen, kept, note + min(i0 + 56u + lane, last));
        for (var c = 0u; c < params.width; c++) {
            let dy_share = array<f32, 8>(
                dy[start[0] + c], dy[start[1] + c], dy[start[2] + c], dy[start[3] + c],
                dy[start[4] + c], dy[start[5] + c], dy[start[6] + c], dy[start[7] + c],
            );
            let q_share = array<f32, 8>(
                q[start[0] + c], q[start[1] + c], q[start[2] + c], q[start[3] + c],
                q[start[4] + c], q[start[5] + c], q[start[6] + c], q[start[7] + c],
            );
            let sum_v = add_mixture(&s, dy_share, vec4f(0.0));
            let sum_k = add_mixture(&dp, q_share, vec4f(0.0));
            for (var r = 0u; r < OWN; r++) {
                if own.valid[r] {
                    dv[own.start[r] + c] += sum_v[r];
                    dk[own.start[r] + c] += params.scale * sum_k[r];
                }
            }
        }
    }
}
