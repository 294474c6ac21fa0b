// attention_backward — gradients of attention: one walk over the keys for dQ, one over the queries for dK and dV.
//
// math      forward: p_ij = exp(s_ij − L_i),  s_ij = scale·⟨q_i, k_j⟩,  y_i = Σ_j z_ij·p_ij·v_j
//           Δ_i = ⟨dy_i, y_i⟩,  ds_ij = p_ij·(z_ij·⟨dy_i, v_j⟩ − Δ_i)
//           dq_i = scale·Σ_j ds_ij·k_j,  dk_j = scale·Σ_i ds_ij·q_i,  dv_j = Σ_i z_ij·p_ij·dy_i
// source    Dao 2023, arXiv:2307.08691, algorithm 2, with its atomic additions to dQ replaced by a second walk
// shapes    as attention.wgsl
// work      backward_rows: one lane per note. backward_queries: one workgroup per (64 queries, 64 channels, head, item) walks over
//           tiles of 32 keys, dispatch (⌈T/64⌉, A·⌈D/64⌉, B). backward_keys: one per (64 keys, ..) over tiles of 32 queries
// cost      6·B·A·T·S·D FLOPs for dQ and 8·B·A·T·S·D for dK and dV (10 and 12 where D is above 64, as each block of channels
//           makes the weights again); every gradient is written once, by one owner
// limits    a stage may bind eight storage buffers, so all that the walks read beside q, k, v and dy lies in one, `notes`:
//           the key as four 16-bit halves · B lengths · L [B, A, T] · Δ [B, A, T] · the bits as halves [B, T, ⌈S/32⌉, 2];
//           its integers are below 2²⁴, which f32 holds exactly
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
@group(0) @binding(1) var<storage, read> q: array<Element4>;            // [B, T, A, D]
@group(0) @binding(2) var<storage, read> k: array<Element4>;            // [B, S, A, D]
@group(0) @binding(3) var<storage, read> v: array<Element4>;            // [B, S, A, D]
@group(0) @binding(4) var<storage, read> y: array<Element4>;            // [B, T, A, D]
@group(0) @binding(5) var<storage, read> dy: array<Element4>;           // [B, T, A, D]
@group(0) @binding(6) var<storage, read> lse: array<f32>;            // [B, A, T]  L
@group(0) @binding(7) var<storage, read> lengths: array<u32>;        // [B], or anything if not has_lengths
@group(0) @binding(8) var<storage, read> bits: array<u32>;           // [B, T, ⌈S/32⌉], or anything if not has_bits
@group(0) @binding(9) var<storage, read> key: array<u32>;            // [2] the step's key of dropout
@group(0) @binding(10) var<storage, read_write> notes: array<f32>;   // [4 + B + 2·B·A·T + 2·B·T·⌈S/32⌉], without the last term if not has_bits
@group(0) @binding(11) var<storage, read_write> dq: array<Element4>;    // [B, T, A, D]
@group(0) @binding(12) var<storage, read_write> dk: array<Element4>;    // [B, S, A, D]
@group(0) @binding(13) var<storage, read_write> dv: array<Element4>;    // [B, S, A, D]

override CHUNKS: u32 = 4u;  // ⌈D/32⌉

const ROW_LANES: u32 = 64u;

@compute @workgroup_size(ROW_LANES)
fn backward_rows(
    @builtin(global_invocation_id) id: vec3u,
    @builtin(num_workgroups) groups: vec3u,
) {
    let note = id.y * groups.x * ROW_LANES + id.x;
    let rows = params.batch * params.heads * params.queries;
    let lse_start = 4u + params.batch;
    let delta_start = lse_start + rows;
    let bits_start = delta_start + rows;
    let halves = 2u * params.batch * params.queries * ((params.keys + 31u) / 32u);
    if note < 4u {
        notes[note] = f32((key[note / 2u] >> (16u * (note % 2u))) & 0xFFFFu);
    } else if note < lse_start {
        var length = params.keys;
        if params.has_lengths != 0u {
            length = lengths[note - 4u];
        }
        notes[note] = f32(length);
    } else if note < delta_start {
        notes[note] = lse[note - lse_start];
    } else if note < bits_start {
        let row = note - delta_start;  // of [B, A, T]; y lies as [B, T, A, D]
        let head = (row / params.queries) % params.heads;
        let item = row / (params.queries * params.heads);
        let width = params.width / 4u;
        let start = ((item * params.queries + row % params.queries) * params.heads + head) * width;
        var delta = 0.0;
        for (var c = 0u; c < width; c++) {
            delta += dot(vec4f(dy[start + c]), vec4f(y[start + c]));
        }
        notes[note] = delta;
    } else if params.has_bits != 0u && note < bits_start + halves {
        let half = note - bits_start;
        notes[note] = f32((bits[half / 2u] >> (16u * (half % 2u))) & 0xFFFFu);
    }
}

@compute @workgroup_size(TILE_LANES)
fn backward_queries(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let place = place_of(group, lane);
    let i0 = group.x * TILE_ROWS;
    let ty = lane / 8u;
    let tx = lane % 8u;
    let rows = params.batch * params.heads * params.queries;

    var sums: array<vec4f, 16>;  // dq / scale: [row][half] of four channels
    let seen = seen_by(place.item, min(i0 + TILE_ROWS, params.queries) - 1u);
    let end = agreed(lane, vec2u(0u, seen)).y;
    for (var j0 = 0u; j0 < end; j0 += TILE_COLUMNS) {
        let s = products(Q, K, place, i0, j0);
        let dp = products(DY, V, place, i0, j0);
        var ds: array<vec4f, 8>;
        for (var r = 0u; r < 8u; r++) {
            let i = i0 + 8u * ty + r;
            let j = j0 + 4u * tx;
            let note = note_of(place.item, place.head, min(i, params.queries - 1u));
            let weight = exp(s[r] * params.scale - vec4f(notes[note]));
            let p = select(vec4f(0.0), weight, visible(place.item, i, j));
            ds[r] = p * (dropout_scale(place.item, place.head, i, j) * dp[r] - vec4f(notes[note + rows]));
        }
        add_weighted(&sums, ds, K, place, j0);
    }
    for (var r = 0u; r < 8u; r++) {
        let i = i0 + 8u * ty + r;
        for (var half = 0u; half < 2u; half++) {
            let c = place.first + half * CHUNK + tx;
            if i < params.queries && c < params.width / 4u {
                let row = (place.item * params.queries + i) * params.heads + place.head;
                dq[row * (params.width / 4u) + c] = Element4(params.scale * sums[2u * r + half]);
            }
        }
    }
}

@compute @workgroup_size(TILE_LANES)
fn backward_keys(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let place = place_of(group, lane);
    let j0 = group.x * TILE_ROWS;
    let ty = lane / 8u;
    let tx = lane % 8u;

    var sums_k: array<vec4f, 16>;  // dk / scale: [row][half] of four channels
    var sums_v: array<vec4f, 16>;  // dv
    let range = agreed(lane, rows_that_see(place.item, j0));
    for (var i0 = range.x; i0 < range.y; i0 += TILE_COLUMNS) {
        let p = signed_weights(place, j0, i0);
        add_to_dv(&sums_v, p, place, i0);
        add_to_dk(&sums_k, p, place, j0, i0);
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
