// attention_backward_fused — all three gradients of one item and head in a single walk, every weight recomputed once.
//
// math      as attention_backward.wgsl: ds_ij = p_ij·(z_ij·⟨dy_i, v_j⟩ − Δ_i),
//           dq_i = scale·Σ_j ds_ij·k_j,  dk_j = scale·Σ_i ds_ij·q_i,  dv_j = Σ_i z_ij·p_ij·dy_i
// source    Dao 2023, arXiv:2307.08691, algorithm 2; no atomics: one owner adds to an element of dQ, in a fixed order
// shapes    as attention.wgsl; `notes` is what attention_backward.wgsl's backward_rows wrote
// work      one workgroup per (item, head, 64 channels), over tiles of 64 keys and, inside, of 32 queries; dispatch (1, A·⌈D/64⌉, B)
// cost      10·B·A·T·S·D FLOPs (14 where D is above 64) against 14 of the two walks, for 1/⌈T/64⌉ of their workgroups
// numerics  hidden weights are 0 by select
// uses      shared/combine.wgsl, shared/attention_place.wgsl, shared/attention_tile.wgsl, shared/attention_walk.wgsl, shared/attention_keys.wgsl, shared/attention_notes.wgsl, shared/philox.wgsl

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
@group(0) @binding(1) var<storage, read> q: array<Element4>;         // [B, T, A, D]
@group(0) @binding(2) var<storage, read> k: array<Element4>;         // [B, S, A, D]
@group(0) @binding(3) var<storage, read> v: array<Element4>;         // [B, S, A, D]
@group(0) @binding(4) var<storage, read> dy: array<Element4>;        // [B, T, A, D]
@group(0) @binding(5) var<storage, read> notes: array<f32>;       // [4 + B + 2·B·A·T + 2·B·T·⌈S/32⌉]
@group(0) @binding(6) var<storage, read_write> dq: array<Element4>;  // [B, T, A, D]
@group(0) @binding(7) var<storage, read_write> dk: array<Element4>;  // [B, S, A, D]
@group(0) @binding(8) var<storage, read_write> dv: array<Element4>;  // [B, S, A, D]

override CHUNKS: u32 = 4u;  // ⌈D/32⌉

// Lane (ty, tx) owns queries 4·ty .. of every tile of 32, at channels 4·tx.. and 32 + 4·tx.. of the block: it alone
// reads and writes them in dq, so that no barrier is needed between two tiles of keys.
fn clear_dq(place: Place) {
    let width = params.width / 4u;
    for (var i = 4u * (place.lane / 8u); i < params.queries; i += TILE_COLUMNS) {
        for (var c = place.first + place.lane % 8u; c < min(place.first + BLOCK, width); c += CHUNK) {
            for (var r = i; r < min(i + 4u, params.queries); r++) {
                let at = ((place.item * params.queries + r) * params.heads + place.head) * width + c;
                dq[at] = Element4();
            }
        }
    }
}

// Adds scale·Σ_j ds_ij·k_j to 32 rows of dq, for ds of 64 keys × 32 queries in `own`.
fn add_to_dq(place: Place, j0: u32, i0: u32) {
    let ty = place.lane / 8u;
    let tx = place.lane % 8u;
    let width = params.width / 4u;
    var sums: array<vec4f, 8>;  // [query][half] of four channels
    for (var j = 0u; j < TILE_ROWS; j += STRIP) {
        stage_strip(K, place, j0 + j);
        for (var r = 0u; r < STRIP; r++) {
            let ds = own[own_at(j + r, ty)];
            let left = other[r * BLOCK + tx];
            let right = other[r * BLOCK + CHUNK + tx];
            for (var n = 0u; n < 4u; n++) {
                sums[2u * n] = fma(vec4f(ds[n]), left, sums[2u * n]);
                sums[2u * n + 1u] = fma(vec4f(ds[n]), right, sums[2u * n + 1u]);
            }
        }
    }
    for (var n = 0u; n < 4u; n++) {
        let i = i0 + 4u * ty + n;
        for (var half = 0u; half < 2u; half++) {
            let c = place.first + half * CHUNK + tx;
            if i < params.queries && c < width {
                let at = ((place.item * params.queries + i) * params.heads + place.head) * width + c;
                dq[at] = Element4(vec4f(dq[at]) + params.scale * sums[2u * n + half]);
            }
        }
    }
}

@compute @workgroup_size(TILE_LANES)
fn backward(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let place = place_of(group, lane);
    let ty = lane / 8u;
    let tx = lane % 8u;
    clear_dq(place);
    for (var j0 = 0u; j0 < params.keys; j0 += TILE_ROWS) {
        var sums_k: array<vec4f, 16>;  // dk / scale: [row][half] of four channels
        var sums_v: array<vec4f, 16>;  // dv
        let range = agreed(lane, rows_that_see(place.item, j0));
        for (var i0 = range.x; i0 < range.y; i0 += TILE_COLUMNS) {
            let p = signed_weights(place, j0, i0);
            add_to_dv(&sums_v, p, place, i0);
            add_to_dk(&sums_k, p, place, j0, i0);
            add_to_dq(place, j0, i0);
        }
        for (var r = 0u; r < 8u; r++) {
            let j = j0 + 8u * ty + r;
            for (var half = 0u; half < 2u; half++) {
                let c = place.first + half * CHUNK + tx;
                if j < params.keys && c < params.width / 4u {
                    let row = (place.item * params.keys + j) * params.heads + place.head;
                    dk[row * (params.width / 4u) + c] = Element4(params.scale * sums_k[2u * r + half]);
                    dv[row * (params.width / 4u) + c] = Element4(sums_v[2u * r + half]);
                }
            }
        }
    }
}
