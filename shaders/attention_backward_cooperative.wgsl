// attention_backward_cooperative — the two walks of attention's backward by the units that multiply small matrices.
//
// math      as attention_backward
// variant   attention_backward
// source    definition; WGSL's cooperative matrices are an extension of wgpu 30, after VK_KHR_cooperative_matrix
// shapes    as attention; `notes` is what attention_backward.wgsl's backward_rows wrote
// work      four subgroups per (4·F queries, 8·F channels, head, item) walk over tiles of 2·F keys, F = FRAGMENT, dispatch
//           (⌈T/4F⌉, A·⌈D/8F⌉, B), and as many per 4·F keys over tiles of 2·F queries
// cost      6·B·A·T·S·D FLOPs for dQ and 8·B·A·T·S·D for dK and dV (10 and 12 where D is above 8·F)
// limits    as attention_cooperative
// numerics  hidden weights are 0 by select; p and ds are rounded to Element before they meet other rows
// uses      shared/attention_place.wgsl, shared/attention_fragments.wgsl, shared/attention_walk.wgsl, shared/attention_notes.wgsl, shared/philox.wgsl

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
@group(0) @binding(1) var<storage, read> q: array<Element4>;            // [B, T, A, D]
@group(0) @binding(2) var<storage, read> k: array<Element4>;            // [B, S, A, D]
@group(0) @binding(3) var<storage, read> v: array<Element4>;            // [B, S, A, D]
@group(0) @binding(5) var<storage, read> dy: array<Element4>;           // [B, T, A, D]
@group(0) @binding(10) var<storage, read> notes: array<f32>;   // [4 + B + 2·B·A·T + 2·B·T·⌈S/32⌉], without the last term if not has_bits
@group(0) @binding(11) var<storage, read_write> dq: array<Element4>;    // [B, T, A, D]
@group(0) @binding(12) var<storage, read_write> dk: array<Element4>;    // [B, S, A, D]
@group(0) @binding(13) var<storage, read_write> dv: array<Element4>;    // [B, S, A, D]

override CHUNKS: u32 = 4u;  // ⌈D/32⌉

// z of rows i .. i + 3 at the columns j .. j + 3.
fn dropout_scales(place: Place, i: u32, j: u32) -> mat4x4f {
    let one = vec4f(1.0);
    var z = mat4x4f(one, one, one, one);
    if params.threshold != 0u {
        for (var r = 0u; r < 4u; r++) {
            z[r] = dropout_scale(place.item, place.head, i + r, j);
        }
    }
    return z;
}

// ds of a block of a walk over keys, of the p that a lane holds and of ⟨dy, v⟩, which is parked.
fn ds_of_queries(place: Place, i0: u32, j0: u32, block: u32, p: mat4x4f) -> mat4x4f {
    let rows = params.batch * params.heads * params.queries;
    let z = dropout_scales(place, i0 + first_row(block), j0 + first_column(block));
    var ds = parked_block(block);
    for (var r = 0u; r < 4u; r++) {
        let i = min(i0 + first_row(block) + r, params.queries - 1u);
        ds[r] = p[r] * (z[r] * ds[r] - vec4f(notes[note_of(place.item, place.head, i) + rows]));
    }
    return ds;
}

// p of a block of what is parked in a walk over keys.
fn weights_of_queries(place: Place, i0: u32, j0: u32, block: u32) -> mat4x4f {
    var p = parked_block(block);
    for (var r = 0u; r < 4u; r++) {
        let i = i0 + first_row(block) + r;
        let lse = notes[note_of(place.item, place.head, min(i, params.queries - 1u))];
        let seen = visible(place.item, i, j0 + first_column(block));
        p[r] = select(vec4f(0.0), exp(p[r] * params.scale - vec4f(lse)), seen);
    }
    return p;
}

// p of a block of what is parked in a walk over queries, [key][query], negative where dropped. The sign says later what Philox
// said here.
fn weights_of_keys(place: Place, j0: u32, i0: u32, block: u32) -> mat4x4f {
    var p = parked_block(block);
    let i = i0 + first_column(block);
    let j = j0 + first_row(block);
    let lse = notes_of_four(note_of(place.item, place.head, 0u), i);
    let z = dropout_scales(place, i, j);
    var signs: mat4x4f;  // [query][key]  0 where hidden
    for (var c = 0u; c < 4u; c++) {
        let sign = select(vec4f(-1.0), vec4f(1.0), z[c] > vec4f(0.0));
        signs[c] = select(vec4f(0.0), sign, visible(place.item, i + c, j));
    }
    signs = transpose(signs);
    for (var r = 0u; r < 4u; r++) {
        let weight = signs[r] * exp(p[r] * params.scale - lse);
        p[r] = select(vec4f(0.0), weight, signs[r] != vec4f(0.0));
    }
    return p;
}

// z·p of signed weights.
fn kept_weights(p: mat4x4f) -> mat4x4f {
    var kept = p;
    for (var r = 0u; r < 4u; r++) {
        kept[r] *= dropout_of(p[r]);
    }
    return kept;
}

// ds = p ⊙ (z ⊙ ⟨dy, v⟩ − Δ) of signed weights and of ⟨dy, v⟩, which is parked.
fn ds_of_keys(place: Place, i0: u32, block: u32, p: mat4x4f) -> mat4x4f {
    var ds = parked_block(block);
    let delta_start = note_of(place.item, place.head, 0u) + params.batch * params.heads * params.queries;
    let delta = notes_of_four(delta_start, i0 + first_column(block));
    for (var r = 0u; r < 4u; r++) {
        ds[r] = abs(p[r]) * (dropout_of(p[r]) * ds[r] - delta);
    }
    return ds;
}

// Writes a block of dk or of dv, which is parked.
fn write_keys(place: Place, j0: u32, round: u32, block: u32, is_dk: bool) {
    let rows = parked_block(block);
    let c = channel_of(place, round, block);
    for (var r = 0u; r < 4u; r++) {
        let j = j0 + first_row(block) + r;
        if j < params.keys && c < params.width / 4u {
            let at = ((place.item * params.keys + j) * params.heads + place.head) * (params.width / 4u) + c;
            if is_dk {
                dk[at] = Element4(params.scale * rows[r]);
            } else {
                dv[at] = Element4(rows[r]);
            }
        }
    }
}

@compute @workgroup_size(LANES)
fn backward_queries(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32, @builtin(subgroup_id) subgroup: u32) {
    let place = place_of(group, lane);
    let i0 = group.x * TILE_ROWS;

    var own_q: array<Left, LEFTS>;
    load_own(&own_q, Q, place, subgroup, i0);
    var own_dy: array<Left, LEFTS>;
    load_own(&own_dy, DY, place, subgroup, i0);
    var sums: array<Sum, 8>;  // dq / scale
    let seen = seen_by(place.item, min(i0 + TILE_ROWS, params.queries) - 1u);
    let end = agreed(lane, vec2u(0u, seen)).y;
    for (var j0 = 0u; j0 < end; j0 += TILE_COLUMNS) {
        var p: array<mat4x4f, BLOCKS_A_LANE>;
        products(&own_q, K, place, subgroup, j0);
        for (var n = 0u; n < BLOCKS_A_LANE; n++) {
            p[n] = weights_of_queries(place, i0, j0, block_of(lane, n));
        }
        products(&own_dy, V, place, subgroup, j0);
        for (var n = 0u; n < BLOCKS_A_LANE; n++) {
            write_weights(lane, n, ds_of_queries(place, i0, j0, block_of(lane, n), p[n]));
        }
        add_weighted(&sums, K, place, subgroup, j0);
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
                    let row = (place.item * params.queries + i) * params.heads + place.head;
                    dq[row * (params.width / 4u) + c] = Element4(params.scale * rows[r]);
                }
            }
        }
    }
}

@compute @workgroup_size(LANES)
fn backward_keys(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32, @builtin(subgroup_id) subgroup: u32) {
    let place = place_of(group, lane);
    let j0 = group.x * TILE_ROWS;

    var own_k: array<Left, LEFTS>;
    load_own(&own_k, K, place, subgroup, j0);
    var own_v: array<Left, LEFTS>;
    load_own(&own_v, V, place, subgroup, j0);
    var sums_k: array<Sum, 8>;  // dk / scale
    var sums_v: array<Sum, 8>;  // dv
    let range = agreed(lane, rows_that_see(place.item, j0));
    for (var i0 = range.x; i0 < range.y; i0 += TILE_COLUMNS) {
        var p: array<mat4x4f, BLOCKS_A_LANE>;
        products(&own_k, Q, place, subgroup, i0);
        for (var n = 0u; n < BLOCKS_A_LANE; n++) {
            p[n] = weights_of_keys(place, j0, i0, block_of(lane, n));
            write_weights(lane, n, kept_weights(p[n]));
        }
        add_weighted(&sums_v, DY, place, subgroup, i0);
        products(&own_v, DY, place, subgroup, i0);
        for (var n = 0u; n < BLOCKS_A_LANE; n++) {
            write_weights(lane, n, ds_of_keys(place, i0, block_of(lane, n), p[n]));
        }
        add_weighted(&sums_k, Q, place, subgroup, i0);
    }
    for (var round = 0u; round < rounds(); round++) {
        park_results(&sums_k, subgroup, round);
        for (var n = 0u; n < BLOCKS_A_LANE; n++) {
            write_keys(place, j0, round, block_of(lane, n), true);
        }
        park_results(&sums_v, subgroup, round);
        for (var n = 0u; n < BLOCKS_A_LANE; n++) {
            write_keys(place, j0, round, block_of(lane, n), false);
        }
    }
}
