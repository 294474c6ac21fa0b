// relative_tile — the products of a tile of relative attention by one workgroup.
//
// Lane (ty, tx) of 16 × 8 owns rows 4·ty.. of the tile's 64 and columns 4·tx.. of its 32. Of query, key and distance two are the
// own and the other rows. The third are the band: own row a and other row b meet in its row a + b, one of 95, so that
// a lane's 16 pairs need 7 of them. For that, rows whose number falls where another's grows are taken backwards.
// The results of a workgroup are a block of 64 channels, a lane's are channels 4·tx.. and 32 + 4·tx.. of it.
// Beside combine.wgsl, attention_place.wgsl and relative_notes.wgsl, for a shader that declares `params`, CHUNKS, and two functions:
// `vec4_of(tensor, at)`, a word of one of the tensors below, and `bias_of(bias, head, c)`, channels 4·c .. of u or w.

const TILE_LANES: u32 = 128u;
const TILE_ROWS: u32 = 64u;
const TILE_COLUMNS: u32 = 32u;
const BAND_ROWS: u32 = 96u;  // one more than there are
const CHUNK: u32 = 4u;       // vec4s of a row that are staged at a time
const BLOCK: u32 = 16u;      // vec4s of a row of results
const QUADS: u32 = 8u;       // vec4s of a row of weights, and lanes that share it

// Where own rows, other rows, the band and the biases begin in `stage`.
const OTHER_START: u32 = 272u;
const BAND_START: u32 = 408u;
const BIAS_START: u32 = 816u;
// Between products it holds weights [64, 8], and behind them a vec4 of each lane.
const LANES_START: u32 = 512u;

var<workgroup> stage: array<vec4f, 824>;

// What lanes read is different for all that WGSL knows: where it decides how far they walk, one decides and all hear it.
var<workgroup> walk_end: u32;

fn agreed(lane: u32, end: u32) -> u32 {
    if lane == 0u {
        walk_end = end;
    }
    return workgroupUniformLoad(&walk_end);
}

// How many columns some queries see, the one that sees most.
fn columns_of_any(place: Place, i0: u32, count: u32) -> u32 {
    var end = 0u;
    for (var i = i0; i < i0 + count; i++) {
        end = max(end, columns_of(place.item, i));
    }
    return agreed(place.lane, end);
}

// Which tensor rows are of.
const Q: u32 = 0u;
const K: u32 = 1u;
const V: u32 = 2u;
const R: u32 = 3u;
const DY: u32 = 4u;

// Which bias is added to them.
const U: u32 = 0u;
const W: u32 = 1u;
const NONE: u32 = 2u;

// Who meets whom.
const OWN_AND_OTHER: u32 = 1u;
const OWN_AND_BAND: u32 = 2u;
const OTHER_AND_BAND: u32 = 4u;

// Rows first, first + step, .. of a tensor.
struct Side {
    tensor: u32,
    first: i32,
    step: i32,
}

// Rows of its tensor, for bounds.
fn rows_of(tensor: u32) -> i32 {
    if tensor == R {
        return i32(params.distances);
    }
    return i32(select(params.keys, params.queries, tensor == Q || tensor == DY));
}

// Where channels 4·c .. of a row lie.
fn at_row(tensor: u32, place: Place, row: i32, c: u32) -> u32 {
    let first = select(place.item * u32(rows_of(tensor)), 0u, tensor == R);
    return ((first + u32(row)) * params.heads + place.head) * (params.width / 4u) + c;
}

// Whether a row has channels 4·c ...
fn is_inside(tensor: u32, row: i32, c: u32) -> bool {
    return row >= 0 && row < rows_of(tensor) && c < params.width / 4u;
}

// Where channel vec4 `c` of a staged row lies: eight lanes read rows 0, 4, 8 .. at once, and one vec4 more after every four rows
// spreads them over the banks.
fn spread(row: u32, c: u32) -> u32 {
    return row * CHUNK + row / 4u + c;
}

// Channels 4·c .. of four rows, zero outside. Something is read in any case, so that the four are under way at once.
fn four_rows(side: Side, place: Place, c: u32) -> mat4x4f {
    let length = rows_of(side.tensor);
    let width = params.width / 4u;
    let stride = i32(params.heads * width);
    let items = select(vec2i(i32(place.item), i32(params.batch)), vec2i(0, 1), side.tensor == R);
    let last = items.y * length * stride - 1;
    let at = items.x * length * stride + i32(place.head * width + c) + side.first * stride;
    let end = select(0u, u32(length), c < width);
    var rows: mat4x4f;
    for (var n = 0; n < 4; n++) {
        let value = vec4_of(side.tensor, u32(clamp(at + n * side.step * stride, 0, last)));
        // As u32 a row before the first is past every end.
        rows[n] = select(vec4f(0.0), value, u32(side.first + n * side.step) < end);
    }
    return rows;
}

// The first `rows` of a side, at most 128: a lane stages every 32nd of them.
fn stage_rows(start: u32, rows: u32, side: Side, place: Place, chunk: u32) {
    let row = place.lane / CHUNK;
    let c = place.lane % CHUNK;
    let every = Side(side.tensor, side.first + side.step * i32(row), 32 * side.step);
    let loaded = four_rows(every, place, chunk * CHUNK + c);
    for (var n = 0u; n < rows / 32u; n++) {
        stage[start + spread(row + 32u * n, c)] = loaded[n];
    }
}

fn staged_bias(bias: u32, c: u32) -> vec4f {
    if bias == NONE {
        return vec4f(0.0);
    }
    return stage[BIAS_START + bias * CHUNK + c];
}

// [r][c] = sum[r][c] + ⟨own row 4·ty + r, other row 4·tx + c⟩ over the staged chunk.
fn meet_others(sum_in: mat4x4f, ty: u32, tx: u32, own_bias: u32, other_bias: u32) -> mat4x4f {
    var sum = sum_in;
    for (var c = 0u; c < CHUNK; c++) {
        let at = OTHER_START + spread(4u * tx, c);
        let b = staged_bias(other_bias, c);
        let others = transpose(mat4x4f(
            stage[at] + b,
            stage[at + CHUNK] + b,
            stage[at + 2u * CHUNK] + b,
            stage[at + 3u * CHUNK] + b,
        ));
        let a = staged_bias(own_bias, c);
        for (var r = 0u; r < 4u; r++) {
            sum[r] = combine(sum[r], stage[spread(4u * ty + r, c)] + a, others);
        }
    }
    return sum;
}

// sum + ⟨side c, row c⟩ for each of four; both lie transposed.
fn add_pairs(sum: vec4f, sides: mat4x4f, rows: mat4x4f) -> vec4f {
    let first = fma(sides[0], rows[0], fma(sides[1], rows[1], sum));
    return fma(sides[2], rows[2], fma(sides[3], rows[3], first));
}

// [r][c] = sum[r][c] + ⟨own row 4·ty + r or other row 4·tx + c, row 4·(ty + tx) + r + c of the band⟩ over the staged chunk.
fn meet_band(sum_in: mat4x4f, ty: u32, tx: u32, who: u32, bias: u32) -> mat4x4f {
    var sum = sum_in;
    for (var c = 0u; c < CHUNK; c++) {
        let at = BAND_START + spread(4u * (ty + tx), c);
        let z3 = stage[at + 3u * CHUNK];
        let z4 = stage[at + 4u * CHUNK + 1u];
        let z5 = stage[at + 5u * CHUNK + 1u];
        let z6 = stage[at + 6u * CHUNK + 1u];
        let first = mat4x4f(stage[at], stage[at + CHUNK], stage[at + 2u * CHUNK], z3);
        let rows_0 = transpose(first);
        let rows_1 = transpose(mat4x4f(first[1], first[2], z3, z4));
        let rows_2 = transpose(mat4x4f(first[2], z3, z4, z5));
        let rows_3 = transpose(mat4x4f(z3, z4, z5, z6));
        let b = staged_bias(bias, c);
        let side = select(OTHER_START + spread(4u * tx, c), spread(4u * ty, c), who == OWN_AND_BAND);
        let sides = mat4x4f(
            stage[side] + b,
            stage[side + CHUNK] + b,
            stage[side + 2u * CHUNK] + b,
            stage[side + 3u * CHUNK] + b,
        );
        if who == OWN_AND_BAND {
            sum[0] = combine(sum[0], sides[0], rows_0);
            sum[1] = combine(sum[1], sides[1], rows_1);
            sum[2] = combine(sum[2], sides[2], rows_2);
            sum[3] = combine(sum[3], sides[3], rows_3);
        } else {
            let others = transpose(sides);
            sum[0] = add_pairs(sum[0], others, rows_0);
            sum[1] = add_pairs(sum[1], others, rows_1);
            sum[2] = add_pairs(sum[2], others, rows_2);
            sum[3] = add_pairs(sum[3], others, rows_3);
        }
    }
    return sum;
}

// The products of the lane's 4 × 4 over all channels, as `who` says. Queries at places of their own have no band; what it
// would add is left to `meet_four`.
fn products(place: Place, who: u32, own: Side, own_bias: u32, other: Side, other_bias: u32, band: Side, band_bias: u32) -> mat4x4f {
    let ty = place.lane / QUADS;
    let tx = place.lane % QUADS;
    let met = select(who & OWN_AND_OTHER, who, params.has_places == 0u);
    var sum = mat4x4f();
    for (var chunk = 0u; chunk < 2u * CHUNKS; chunk++) {
        workgroupBarrier();
        stage_rows(0u, TILE_ROWS, own, place, chunk);
        stage_rows(OTHER_START, TILE_COLUMNS, other, place, chunk);
        if met != OWN_AND_OTHER {
            stage_rows(BAND_START, BAND_ROWS, band, place, chunk);
        }
        if place.lane < 2u * CHUNK {
            let c = chunk * CHUNK + place.lane % CHUNK;
            stage[BIAS_START + place.lane] = bias_of(place.lane / CHUNK, place.head, c);
        }
        workgroupBarrier();
        if (met & OWN_AND_OTHER) != 0u {
            sum = meet_others(sum, ty, tx, own_bias, other_bias);
        }
        if (met & (OWN_AND_BAND | OTHER_AND_BAND)) != 0u {
            sum = meet_band(sum, ty, tx, met & (OWN_AND_BAND | OTHER_AND_BAND), band_bias);
        }
    }
    return sum;
}

// ⟨row i of queries, each of four rows from `first`⟩ over all channels, from memory: what a band would have given.
fn meet_four(place: Place, queries: u32, bias: u32, i: u32, tensor: u32, first: i32) -> vec4f {
    var sum = vec4f(0.0);
    for (var c = 0u; c < params.width / 4u; c++) {
        var query = row_of(queries, place, i32(i), c);
        if bias != NONE {
            query += bias_of(bias, place.head, c);
        }
        sum = combine(sum, query, transpose(four_rows(Side(tensor, first, 1), place, c)));
    }
    return sum;
}

// Channels 4·c .. of one row, zero outside.
fn row_of(tensor: u32, place: Place, row: i32, c: u32) -> vec4f {
    if !is_inside(tensor, row, c) {
        return vec4f(0.0);
    }
    return vec4_of(tensor, at_row(tensor, place, row, c));
}

// The band where own queries, or other ones, begin with the last of a tile, and the keys with j0.
fn band_of(last: u32, j0: u32) -> Side {
    return Side(R, i32(j0 + params.distances - params.keys) - i32(last), 1);
}

// Scores before scale and segments of own queries last, last − 1 .. and keys j0, j0 + 1 ..
fn scores_of_queries(place: Place, last: u32, j0: u32) -> mat4x4f {
    let own = Side(Q, i32(last), -1);
    var s = products(place, OWN_AND_OTHER | OWN_AND_BAND, own, U, Side(K, i32(j0), 1), NONE, band_of(last, j0), W);
    if params.has_places != 0u {
        for (var r = 0u; r < 4u; r++) {
            let i = last - 4u * (place.lane / QUADS) - r;
            let first = distance_of(place.item, i) + i32(j0 + 4u * (place.lane % QUADS));
            s[r] += meet_four(place, Q, W, i, R, first);
        }
    }
    return s;
}
