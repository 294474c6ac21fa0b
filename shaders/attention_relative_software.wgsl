// attention_relative_software — the same for adapters that emulate a GPU with vectors of eight lanes, after products with all distances.
//
// math      as attention_relative, with X_in = (q_i + w)·r_n from a product: moving words by address is cheap there, in registers it is not
// variant   attention_relative
// source    as attention_relative
// shapes    as attention_relative; a dispatch has some heads, items, queries U and distances N, the latter as many as its queries meet
// work      one subgroup of 8 lanes per 64 queries: a lane owns eight, as two tiles of four, and tiles of 64 keys pass by
//           broadcast (shared/attention_lanes.wgsl); dispatch (⌈U/64⌉, some heads, some items)
// cost      4·B·A·T·S·D FLOPs beside the product, and a word of X a score; sums of y grow in a lane's arrays where D ≤ 64, in y otherwise
// limits    subgroups of exactly 8 lanes (llvmpipe with 256-bit vectors); no workgroup memory, no barriers
// numerics  as attention_relative
// uses      shared/attention_lanes.wgsl, shared/attention_soften.wgsl, shared/relative_notes.wgsl, shared/relative_lanes.wgsl, shared/philox.wgsl

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
@group(0) @binding(1) var<storage, read> q: array<f32>;            // [B, T, A, D]
@group(0) @binding(2) var<storage, read> k: array<f32>;            // [B, S, A, D]
@group(0) @binding(3) var<storage, read> v: array<f32>;            // [B, S, A, D]
@group(0) @binding(5) var<storage, read> biases: array<f32>;       // [2, A, D]  u, w
@group(0) @binding(14) var<storage, read> notes: array<f32>;       // those that forward_notes packs
@group(0) @binding(15) var<storage, read_write> y: array<f32>;     // [B, T, A, D]
@group(0) @binding(16) var<storage, read_write> lse: array<f32>;   // [B, A, T]  L, kept for backward
@group(0) @binding(17) var<storage, read> distant: array<f32>;     // [.., U, N]  X

override CHUNKS: u32 = 4u;  // 2 where D ≤ WIDEST, else 4

const WIDEST: u32 = 64u;  // channels that a lane's arrays hold; llvmpipe compiles in the square of it

// [r][c] of row r of four: Σ z·exp(s − maximum)·v so far.
alias Sums = array<array<f32, WIDEST>, OWN>;

// Four queries of a lane.
struct Rows {
    i: vec4u,           // clamped to the last
    valid: vec4<bool>,  // not clamped
    start: vec4u,       // of channel 0, in q and y
    slope: vec4f,       // e
    maximum: vec4f,     // of the scores so far
    total: vec4f,       // Σ exp(s − maximum) so far
}

fn rows_from(place: Place, i0: u32) -> Rows {
    let i = queries_from(i0);
    let start = starts_of(place.item, place.head, i);
    return Rows(i, are_queries(i0), start, slopes_of(place.item, place.head, i), vec4f(HIDDEN), vec4f(0.0));
}

fn load_q(rows: Rows, c: u32) -> vec4f {
    let at = rows.start + vec4u(c);
    return vec4f(q[at.x], q[at.y], q[at.z], q[at.w]);
}

fn store_y(rows: Rows, c: u32, value: vec4f) {
    for (var r = 0u; r < OWN; r++) {
        if rows.valid[r] {
            y[rows.start[r] + c] = value[r];
        }
    }
}

fn load_sums(sums: ptr<function, Sums>, rows: Rows, c: u32) -> vec4f {
    if CHUNKS * 32u <= WIDEST {
        return vec4f(sums[0][c], sums[1][c], sums[2][c], sums[3][c]);
    }
    let at = rows.start + vec4u(c);
    return vec4f(y[at.x], y[at.y], y[at.z], y[at.w]);
}

fn store_sums(sums: ptr<function, Sums>, rows: Rows, c: u32, value: vec4f) {
    if CHUNKS * 32u <= WIDEST {
        sums[0][c] = value.x;
        sums[1][c] = value.y;
        sums[2][c] = value.z;
        sums[3][c] = value.w;
    } else {
        store_y(rows, c, value);
    }
}

// Products with keys become z·exp(s − maximum); what y must be multiplied by for the new maximum.
fn weigh(tile: ptr<function, array<vec4f, 64>>, rows: ptr<function, Rows>, place: Place, j0: u32) -> vec4f {
    let other = bits_of(OTHER, place.item, (*rows).i, (*rows).valid, j0);
    add_distant(tile, j0, distant_of(place, (*rows).i), (*rows).slope, other);
    let seen = bits_of(SEEN, place.item, (*rows).i, (*rows).valid, j0);
    return soften(tile, rows, seen, kept_of(place.item, place.head, (*rows).i, j0));
}

// y = sums / Σ, and the log-sum-exp.
fn finish(sums: ptr<function, Sums>, rows: Rows, place: Place) {
    let sees = rows.total > vec4f(0.0);
    let total = max(rows.total, vec4f(1e-30));
    for (var c = 0u; c < params.width; c++) {
        store_y(rows, c, select(vec4f(0.0), load_sums(sums, rows, c) / total, sees));
    }
    let note = select(vec4f(1e30), rows.maximum + log(total), sees);
    for (var r = 0u; r < OWN; r++) {
        if rows.valid[r] {
            lse[(place.item * params.heads + place.head) * params.queries + rows.i[r]] = note[r];
        }
    }
}

@compute @workgroup_size(SUBGROUP)
fn forward_distant(@builtin(workgroup_id) group: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
    let place = place_of(group);
    var upper = rows_from(place, place.i0 + 2u * OWN * lane);
    var lower = rows_from(place, place.i0 + 2u * OWN * lane + OWN);
    var upper_sums: Sums;  // zeros
    var lower_sums: Sums;
    if CHUNKS * 32u > WIDEST {
        for (var c = 0u; c < params.width; c++) {
            store_y(upper, c, vec4f(0.0));
            store_y(lower, c, vec4f(0.0));
        }
    }
    let end = columns_of_any(place.item, place.i0);
    for (var j0 = 0u; j0 < end; j0 += OTHERS) {
        let start = starts_of_keys(place.item, place.head, j0, lane);
        var upper_tile: array<vec4f, 64>;
        var lower_tile: array<vec4f, 64>;
        for (var c = 0u; c < params.width; c++) {
            let share = array<f32, 8>(
                k[start[0] + c], k[start[1] + c], k[start[2] + c], k[start[3] + c],
                k[start[4] + c], k[start[5] + c], k[start[6] + c], k[start[7] + c],
            );
            let bias = vec4f(biases[place.head * params.width + c]);
            add_products_to_both(&upper_tile, &lower_tile, share, load_q(upper, c) + bias, load_q(lower, c) + bias);
        }
        let upper_scale = weigh(&upper_tile, &upper, place, j0);
        let lower_scale = weigh(&lower_tile, &lower, place, j0);
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
    finish(&upper_sums, upper, place);
    finish(&lower_sums, lower, place);
}
