// attention_relative_backward_fused — the same in one walk over pairs of tiles, which makes every weight once instead of three times.
//
// math      as attention_relative_backward
// variant   attention_relative_backward
// source    as attention_relative_backward
// shapes    as attention_relative_backward
// work      one workgroup per (64 channels, head, item) over tiles of 64 queries and 32 keys; dispatch (1, A·⌈D/64⌉, B): too few for a GPU, but right for one
//           that is a processor's cores, whose walk (engine/src/cpu/attention_relative_backward.rs) goes the same way
// cost      16·B·A·T·S·D FLOPs; dK, dV and dr grow in their own memory, where only their workgroup writes
// limits    12 storage buffers, more than WebGPU promises
// numerics  as attention_relative_backward
// uses      shared/combine.wgsl, shared/attention_place.wgsl, shared/relative_notes.wgsl, shared/relative_tile.wgsl, shared/relative_sums.wgsl, shared/relative_walk.wgsl, shared/philox.wgsl

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
    first_head: u32,      // for the software variant: head at which a chunk begins
    first_item: u32,      // likewise: item at which it begins
    some_items: u32,      // likewise: how many items it has of each head
    first_query: u32,     // likewise: query at which it begins
    some_queries: u32,    // likewise: how many it has of each item
    first_distance: u32,  // likewise: number of the first row of r that these may meet
    some_distances: u32,  // likewise: how many there are from there on
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> q: array<Element4>;             // [B, T, A, D]
@group(0) @binding(2) var<storage, read> k: array<Element4>;             // [B, S, A, D]
@group(0) @binding(3) var<storage, read> v: array<Element4>;             // [B, S, A, D]
@group(0) @binding(4) var<storage, read> table: array<vec4f>;            // [Q + S, A, D]  r
@group(0) @binding(8) var<storage, read> dy: array<Element4>;            // [B, T, A, D]
@group(0) @binding(11) var<storage, read> notes: array<f32>;             // those that backward_notes packs
@group(0) @binding(12) var<storage, read_write> dq: array<Element4>;     // [B, T, A, D]  without the segments' part
@group(0) @binding(13) var<storage, read_write> sigma: array<f32>;       // [B, T, A]  σ
@group(0) @binding(14) var<storage, read_write> dk: array<Element4>;     // [B, S, A, D]
@group(0) @binding(15) var<storage, read_write> dv: array<Element4>;     // [B, S, A, D]
@group(0) @binding(16) var<storage, read_write> dtable: array<vec4f>;    // [B, Q + S, A, D]  dr of each item
@group(0) @binding(17) var<storage, read_write> dbias: array<f32>;       // [B, ⌈(Q + S)/64⌉, A, D]  dw, of which only the sum over 64s counts

override CHUNKS: u32 = 4u;  // ⌈D/32⌉

const LANES_OF_KEY: u32 = 4u;  // lanes that share a key or a distance of a tile, each every fourth vec4 of its channels

// Weight of own row a and other row b, shared by share_weights.
fn shared_weight(a: u32, b: u32) -> f32 {
    return stage[a * QUADS + b / 4u][b % 4u];
}

// Σ_a weight[a, b]·(own row a + bias), for b = `own_b` if queries are all met at one column, else along the diagonal a + b.
fn sum_over_own(place: Place, own: Side, bias: u32, at: u32, is_diagonal: bool, c: u32) -> vec4f {
    var added = vec4f(0.0);
    if bias != NONE {
        added = bias_of(bias, place.head, c);
    }
    var sum = vec4f(0.0);
    for (var a = 0u; a < TILE_ROWS; a++) {
        let b = select(at, at - a, is_diagonal);
        if b < TILE_COLUMNS {
            sum += shared_weight(a, b) * (row_of(own.tensor, place, own.first - i32(a), c) + added);
        }
    }
    return sum;
}

// Where the channels of the block end.
fn block_end(place: Place) -> u32 {
    return min(place.first + BLOCK, params.width / 4u);
}

fn clear(place: Place) {
    for (var row = place.lane; row < max(params.keys, params.distances); row += TILE_LANES) {
        for (var c = place.first; c < block_end(place); c++) {
            if row < params.keys {
                dk[at_row(K, place, i32(row), c)] = Element4();
                dv[at_row(K, place, i32(row), c)] = Element4();
            }
            if row < params.distances {
                dtable[at_table(place, row, c)] = vec4f(0.0);
            }
        }
    }
}

fn at_table(place: Place, n: u32, c: u32) -> u32 {
    return ((place.item * params.distances + n) * params.heads + place.head) * (params.width / 4u) + c;
}

// dk or dv of the tile's keys from j0, after their weights were shared.
fn add_to_keys(place: Place, own: Side, bias: u32, j0: u32, is_value: bool) {
    let j = j0 + place.lane / LANES_OF_KEY;
    for (var c = place.first + place.lane % LANES_OF_KEY; c < block_end(place); c += LANES_OF_KEY) {
        let sum = sum_over_own(place, own, bias, place.lane / LANES_OF_KEY, false, c);
        let at = at_row(K, place, i32(j), c);
        if j < params.keys && is_value {
            dv[at] = Element4(vec4f(dv[at]) + sum);
        } else if j < params.keys {
            dk[at] = Element4(vec4f(dk[at]) + sum);
        }
    }
}

// dr of the band, whose rows begin at distance `first`.
fn add_to_band(place: Place, own: Side, first: i32) {
    for (var row = place.lane / LANES_OF_KEY; row < BAND_ROWS; row += TILE_LANES / LANES_OF_KEY) {
        let n = first + i32(row);
        for (var c = place.first + place.lane % LANES_OF_KEY; c < block_end(place); c += LANES_OF_KEY) {
            let sum = sum_over_own(place, own, W, row, true, c);
            if n >= 0 && n < i32(params.distances) {
                dtable[at_table(place, u32(n), c)] += sum;
            }
        }
    }
}

// The same where every query has a band of its own: all queries of the tile, for each distance in turn.
fn add_to_scattered(place: Place, own: Side, j0: u32) {
    for (var n = place.lane; n < params.distances; n += TILE_LANES) {
        for (var c = place.first; c < block_end(place); c++) {
            var sum = vec4f(0.0);
            for (var a = 0u; a < TILE_ROWS; a++) {
                let b = i32(n) - i32(j0) - distance_of(place.item, u32(own.first) - a);
                if b >= 0 && b < i32(TILE_COLUMNS) {
                    let row = row_of(Q, place, own.first - i32(a), c) + bias_of(W, place.head, c);
                    sum += shared_weight(a, u32(b)) * row;
                }
            }
            dtable[at_table(place, n, c)] += sum;
        }
    }
}

// dw of the item: all of it for the first 64 distances, nothing for the others.
fn store_bias(place: Place, sums: ptr<function, array<vec4f, 2>>) {
    let tiles = (params.distances + 63u) / 64u;
    for (var h = 0u; h < 2u; h++) {
        workgroupBarrier();
        stage[LANES_START + place.lane] = (*sums)[h];
        workgroupBarrier();
        let channel = 4u * (place.first + h * QUADS) + place.lane;
        if place.lane < 4u * QUADS && channel < params.width {
            var sum = 0.0;
            for (var ty = 0u; ty < TILE_LANES / QUADS; ty++) {
                sum += stage[LANES_START + ty * QUADS + place.lane / 4u][place.lane % 4u];
            }
            for (var tile = 0u; tile < tiles; tile++) {
                let at = ((place.item * tiles + tile) * params.heads + place.head) * params.width + channel;
                dbias[at] = select(0.0, sum, tile == 0u);
            }
        }
    }
}

@compute @workgroup_size(TILE_LANES)
fn backward(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let place = place_of(group, lane);
    let ty = lane / QUADS;
    let tx = lane % QUADS;
    clear(place);
    storageBarrier();

    var bias_sums: array<vec4f, 2>;  // dw over the lane's rows: [half] of four channels
    for (var i0 = 0u; i0 < params.queries; i0 += TILE_ROWS) {
        let last = i0 + TILE_ROWS - 1u;
        let own = Side(Q, i32(last), -1);
        let own_dy = Side(DY, i32(last), -1);
        var sums: array<mat4x4f, 2>;       // dq by keys: [half][row] of four channels
        var band_sums: array<mat4x4f, 2>;  // dq by distances
        var others = vec4f(0.0);  // σ of the four rows, over this lane's columns
        let end = columns_of_any(place, i0, TILE_ROWS);
        for (var j0 = 0u; j0 < end; j0 += TILE_COLUMNS) {
            let keys = Side(K, i32(j0), 1);
            let columns = min(TILE_COLUMNS, params.keys - j0);
            let band = band_of(last, j0);
            let s = scores_of_queries(place, last, j0);
            let dp = products(place, OWN_AND_OTHER, own_dy, NONE, Side(V, i32(j0), 1), NONE, band, NONE);
            var weights = mat4x4f();
            var ds = mat4x4f();
            for (var r = 0u; r < 4u; r++) {
                let i = last - 4u * ty - r;
                let j = j0 + 4u * tx;
                let other = bits_at(OTHER, place.item, i, j);
                let seen = bits_at(SEEN, place.item, i, j);
                let four = differentiate(place, i, i32(j), s[r], dp[r], seen, other);
                weights[r] = four.weights;
                ds[r] = four.ds;
                others[r] += dot(ds[r], select(vec4f(0.0), vec4f(1.0), other));
            }
            share_weights(place, weights);
            add_to_keys(place, own_dy, NONE, j0, true);
            share_weights(place, ds);
            add_to_keys(place, own, U, j0, false);
            add_others(&sums, place, keys, NONE);
            if params.has_places == 0u {
                add_band(&band_sums, place, band.first, columns);
                add_to_band(place, own, band.first);
            } else {
                for (var r = 0u; r < 4u; r++) {
                    let first = distance_of(place.item, last - 4u * ty - r) + i32(j0);
                    add_scattered(&band_sums, place, r, first, columns);
                }
                add_to_scattered(place, own, j0);
            }
            // The next tile's rows of dr are others' of this one.
            storageBarrier();
        }
        let sum = sum_over_lanes(place, others);
        for (var r = 0u; r < 4u; r++) {
            let i = last - 4u * ty - r;
            for (var h = 0u; h < 2u; h++) {
                let c = place.first + h * QUADS + tx;
                bias_sums[h] += band_sums[h][r];
                if is_inside(Q, i32(i), c) {
                    dq[at_row(Q, place, i32(i), c)] = Element4(sums[h][r] + band_sums[h][r]);
                }
            }
            if i < params.queries && tx == 0u && place.first == 0u {
                sigma[query_of(place.item, i) * params.heads + place.head] = sum[r];
            }
        }
    }
    store_bias(place, &bias_sums);
}
