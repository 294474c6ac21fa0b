// attention_relative_backward_software — weights and their gradients for adapters that emulate a GPU, between products by matmul.wgsl.
//
// math      as attention_relative_backward, with X_in = (q_i + w)·r_n from a product before, and those of z·p and G left to products after:
//           dv = (z·p)ᵀ·dy, dk = Gᵀ·(q + u), dq = G·k + G'·r, dr = G'ᵀ·(q + w), G'_in = G_{i, n − Q + t_i}
// variant   attention_relative_backward
// source    as attention_relative_backward
// shapes    as attention_relative_backward; a dispatch has some heads, items, queries U and distances N, the latter as many as its
//           queries meet; [.., T, S] has rows for its other queries too
// work      one subgroup of 8 lanes per 64 queries: a lane owns eight, as two tiles of four, and tiles of 64 keys pass by
//           broadcast (shared/attention_lanes.wgsl); dispatch (⌈U/64⌉, some heads, some items)
// cost      4·B·A·T·S·D FLOPs beside the products; a score reads a word and writes three, a row writes N − S zeros
// limits    subgroups of exactly 8 lanes (llvmpipe with 256-bit vectors); 9 storage buffers; no workgroup memory, no barriers
// numerics  as attention_relative_backward
// uses      shared/attention_lanes.wgsl, shared/relative_notes.wgsl, shared/relative_lanes.wgsl, shared/philox.wgsl

struct Params {
    batch: u32,           // B
    queries: u32,         // T
    keys: u32,            // S
    heads: u32,           // A
    width: u32,           // D
    distances: u32,       // Q + S
    scale: f32,           // 1/√D
    causal: u32,          // 1: row i sees columns j ≤ t_i + S − Q
    has_lengths: u32,     // 1: item b sees columns j < lengths[b]
    has_bits: u32,        // 1: row i sees column j if bit j of its row of bits is set
    has_places: u32,      // 1: t_i = places[b, i]; 0: t_i = i
    has_segments: u32,    // 1: scores have the term e·g
    threshold: u32,       // a word below it drops the weight; 0: no dropout
    keep_scale: f32,      // 1/(1 − probability)
    site: u32,            // which dropout of the model
    first_row: u32,       // number of row 0 of item 0 in the counters of dropout
    first_head: u32,      // head at which the dispatch begins
    first_item: u32,      // item at which it begins
    some_items: u32,      // how many items it does of each head
    first_query: u32,     // query at which it begins
    some_queries: u32,    // how many it does of each item
    first_distance: u32,  // number of the first row of r that its queries may meet
    some_distances: u32,  // how many there are from there on
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> q: array<f32>;                 // [B, T, A, D]
@group(0) @binding(2) var<storage, read> k: array<f32>;                 // [B, S, A, D]
@group(0) @binding(3) var<storage, read> v: array<f32>;                 // [B, S, A, D]
@group(0) @binding(8) var<storage, read> dy: array<f32>;                // [B, T, A, D]
@group(0) @binding(11) var<storage, read> notes: array<f32>;            // those that backward_notes packs
@group(0) @binding(13) var<storage, read_write> sigma: array<f32>;      // [B, T, A]  σ
@group(0) @binding(18) var<storage, read_write> distant: array<f32>;    // [.., U, N]  X, then G'
@group(0) @binding(19) var<storage, read_write> weights: array<f32>;    // [.., T, S]  z·p
@group(0) @binding(20) var<storage, read_write> ds: array<f32>;         // [.., T, S]  G

override CHUNKS: u32 = 4u;  // ⌈D/32⌉, which only the tiles of the other variant need to know

// Four queries of a lane.
struct Rows {
    i: vec4u,           // clamped to the last
    valid: vec4<bool>,  // not clamped
    start: vec4u,       // of channel 0, in q and dy
    by_distance: Distant,
    slope: vec4f,       // e
    lse: vec4f,         // L
    delta: vec4f,       // Δ
    sigma: vec4f,       // so far
}

// Values of four queries, of which those of all begin at `start`.
fn noted(start: u32, place: Place, i: vec4u) -> vec4f {
    let at = vec4u(start + (place.item * params.heads + place.head) * params.queries) + i;
    return vec4f(notes[at.x], notes[at.y], notes[at.z], notes[at.w]);
}

fn rows_from(place: Place, i0: u32) -> Rows {
    let i = queries_from(i0);
    let lse = noted(lse_start(), place, i);
    let delta = noted(lse_start() + params.batch * params.heads * params.queries, place, i);
    let start = starts_of(place.item, place.head, i);
    let slope = slopes_of(place.item, place.head, i);
    return Rows(i, are_queries(i0), start, distant_of(place, i), slope, lse, delta, vec4f(0.0));
}

fn load_q(rows: Rows, c: u32) -> vec4f {
    let at = rows.start + vec4u(c);
    return vec4f(q[at.x], q[at.y], q[at.z], q[at.w]);
}

fn load_dy(rows: Rows, c: u32) -> vec4f {
    let at = rows.start + vec4u(c);
    return vec4f(dy[at.x], dy[at.y], dy[at.z], dy[at.w]);
}

// For eight columns: score s and product dp = ⟨dy, v⟩ become z·p and G.
fn through_eight(s: ptr<function, array<vec4f, 64>>, dp: ptr<function, array<vec4f, 64>>, first: u32, rows: Rows, seen: Bits, kept: Bits) {
    for (var j = first; j < first + 8u; j++) {
        let p = select(vec4f(0.0), exp(params.scale * s[j] - rows.lse), bit(seen, j));
        let z = select(vec4f(0.0), vec4f(params.keep_scale), bit(kept, j));
        s[j] = z * p;
        dp[j] = params.scale * p * (z * dp[j] - rows.delta);
    }
}

// Element first + n of a tile, n < 8.
fn pick(tile: ptr<function, array<vec4f, 64>>, first: u32, n: u32) -> vec4f {
    let bits = vec3u(n) & vec3u(1u, 2u, 4u);
    let is = bits != vec3u(0u);
    let low = select(select(tile[first], tile[first + 1u], is.x), select(tile[first + 2u], tile[first + 3u], is.x), is.y);
    let high = select(select(tile[first + 4u], tile[first + 5u], is.x), select(tile[first + 6u], tile[first + 7u], is.x), is.y);
    return select(low, high, is.z);
}

// One column of the matrices, and its share of σ.
fn store_column(rows: Rows, row: vec4u, j0: u32, j: u32, other: Bits, weight: vec4f, gradient: vec4f) -> vec4f {
    for (var r = 0u; r < OWN; r++) {
        if rows.valid[r] && j0 + j < params.keys {
            weights[row[r] * params.keys + j0 + j] = weight[r];
            ds[row[r] * params.keys + j0 + j] = gradient[r];
            distant[rows.by_distance.start[r] + j0 + j] = gradient[r];
        }
    }
    return select(vec4f(0.0), gradient, bit(other, j));
}

// Every eighth column in each round; σ with these columns. llvmpipe makes a loop of every store, too many for one for each of a
// tile's words, and would compile a sum of 64 selects for a quarter of an hour; that the rounds are not a constant keeps it from
// writing them out.
fn store_tile(s: ptr<function, array<vec4f, 64>>, dp: ptr<function, array<vec4f, 64>>, rows: Rows, row: vec4u, j0: u32, other: Bits) -> vec4f {
    var sum = rows.sigma;
    for (var n = 0u; n < min(8u, params.keys); n++) {
        sum += store_column(rows, row, j0, 0u + n, other, pick(s, 0u, n), pick(dp, 0u, n));
        sum += store_column(rows, row, j0, 8u + n, other, pick(s, 8u, n), pick(dp, 8u, n));
        sum += store_column(rows, row, j0, 16u + n, other, pick(s, 16u, n), pick(dp, 16u, n));
        sum += store_column(rows, row, j0, 24u + n, other, pick(s, 24u, n), pick(dp, 24u, n));
        sum += store_column(rows, row, j0, 32u + n, other, pick(s, 32u, n), pick(dp, 32u, n));
        sum += store_column(rows, row, j0, 40u + n, other, pick(s, 40u, n), pick(dp, 40u, n));
        sum += store_column(rows, row, j0, 48u + n, other, pick(s, 48u, n), pick(dp, 48u, n));
        sum += store_column(rows, row, j0, 56u + n, other, pick(s, 56u, n), pick(dp, 56u, n));
    }
    return sum;
}

fn differentiate(s: ptr<function, array<vec4f, 64>>, dp: ptr<function, array<vec4f, 64>>, rows: Rows, place: Place, j0: u32) -> vec4f {
    let seen = bits_of(SEEN, place.item, rows.i, rows.valid, j0);
    let other = bits_of(OTHER, place.item, rows.i, rows.valid, j0);
    let kept = kept_of(place.item, place.head, rows.i, j0);
    add_distant(s, j0, rows.by_distance, rows.slope, other);
    through_eight(s, dp, 0u, rows, seen, kept);
    through_eight(s, dp, 8u, rows, seen, kept);
    through_eight(s, dp, 16u, rows, seen, kept);
    through_eight(s, dp, 24u, rows, seen, kept);
    through_eight(s, dp, 32u, rows, seen, kept);
    through_eight(s, dp, 40u, rows, seen, kept);
    through_eight(s, dp, 48u, rows, seen, kept);
    through_eight(s, dp, 56u, rows, seen, kept);
    return store_tile(s, dp, rows, vec4u(place.pair * params.queries) + rows.i, j0, other);
}

// σ, and zeros where a row meets no key.
fn finish(rows: Rows, place: Place) {
    for (var r = 0u; r < OWN; r++) {
        if rows.valid[r] {
            sigma[query_of(place.item, rows.i[r]) * params.heads + place.head] = rows.sigma[r];
            let first = rows.by_distance.start[r];
            let end = first + rows.by_distance.count[r];
            for (var at = end - params.some_distances; at < first; at++) {
                distant[at] = 0.0;
            }
            for (var at = first + params.keys; at < end; at++) {
                distant[at] = 0.0;
            }
        }
    }
}

@compute @workgroup_size(SUBGROUP)
fn backward_weights(@builtin(workgroup_id) group: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
    let place = place_of(group);
    var upper = rows_from(place, place.i0 + 2u * OWN * lane);
    var lower = rows_from(place, place.i0 + 2u * OWN * lane + OWN);
    for (var j0 = 0u; j0 < params.keys; j0 += OTHERS) {
        let start = starts_of_keys(place.item, place.head, j0, lane);
        var upper_s: array<vec4f, 64>;
        var lower_s: array<vec4f, 64>;
        for (var c = 0u; c < params.width; c++) {
            let share = array<f32, 8>(
                k[start[0] + c], k[start[1] + c], k[start[2] + c], k[start[3] + c],
                k[start[4] + c], k[start[5] + c], k[start[6] + c], k[start[7] + c],
            );
            let bias = vec4f(notes[biases_start() + place.head * params.width + c]);
            add_products_to_both(&upper_s, &lower_s, share, load_q(upper, c) + bias, load_q(lower, c) + bias);
        }
        var upper_dp: array<vec4f, 64>;
        var lower_dp: array<vec4f, 64>;
        for (var c = 0u; c < params.width; c++) {
            let share = array<f32, 8>(
                v[start[0] + c], v[start[1] + c], v[start[2] + c], v[start[3] + c],
                v[start[4] + c], v[start[5] + c], v[start[6] + c], v[start[7] + c],
            );
            add_products_to_both(&upper_dp, &lower_dp, share, load_dy(upper, c), load_dy(lower, c));
        }
        upper.sigma = differentiate(&upper_s, &upper_dp, upper, place, j0);
        lower.sigma = differentiate(&lower_s, &lower_dp, lower, place, j0);
    }
    finish(upper, place);
    finish(lower, place);
}
