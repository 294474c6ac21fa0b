// relative_sums — what the weights of a tile of relative attention make of other rows, and of the band.
//
// Beside combine.wgsl and relative_tile.wgsl. sums[h][r] is row 4·ty + r at channels 32·h + 4·tx .. of the block. Other rows are
// staged, 16 at a time; those of the band, of which every four rows need others, come from memory.

const STRIP: u32 = 16u;
const STRIP_START: u32 = LANES_START;  // [16, 16]

// The weights of the lane's 4 × 4 go where the sums read them; all lanes arrive before and after.
fn share_weights(place: Place, weights: mat4x4f) {
    workgroupBarrier();
    for (var r = 0u; r < 4u; r++) {
        stage[(4u * (place.lane / QUADS) + r) * QUADS + place.lane % QUADS] = weights[r];
    }
    workgroupBarrier();
}

// Σ of a vec4 over the eight lanes that share rows; all lanes arrive before and after.
fn sum_over_lanes(place: Place, value: vec4f) -> vec4f {
    workgroupBarrier();
    stage[LANES_START + place.lane] = value;
    workgroupBarrier();
    var sum = vec4f(0.0);
    for (var lane_of_row = 0u; lane_of_row < QUADS; lane_of_row++) {
        sum += stage[LANES_START + place.lane / QUADS * QUADS + lane_of_row];
    }
    return sum;
}

// Whether the lane has channels in half `h` of a block.
fn has_half(h: u32) -> bool {
    return h == 0u || CHUNKS > 1u;
}

// Adds Σ_b weight[4·ty + r, b]·(other row b + bias).
fn add_others(sums: ptr<function, array<mat4x4f, 2>>, place: Place, other: Side, bias: u32) {
    let row = 4u * (place.lane / QUADS) * QUADS;
    for (var start = 0u; start < TILE_COLUMNS; start += STRIP) {
        stage_strip(place, Side(other.tensor, other.first + other.step * i32(start), other.step), bias);
        for (var b = 0u; b < STRIP; b += 4u) {
            for (var h = 0u; h < 2u; h++) {
                if has_half(h) {
                    let at = STRIP_START + b * BLOCK + h * QUADS + place.lane % QUADS;
                    let rows = mat4x4f(stage[at], stage[at + BLOCK], stage[at + 2u * BLOCK], stage[at + 3u * BLOCK]);
                    for (var r = 0u; r < 4u; r++) {
                        let weights = stage[row + r * QUADS + (start + b) / 4u];
                        (*sums)[h][r] = combine((*sums)[h][r], weights, rows);
                    }
                }
            }
        }
    }
}

// Sixteen rows at the block's channels, each with the bias; all lanes arrive before and after.
fn stage_strip(place: Place, side: Side, bias: u32) {
    let row = place.lane / BLOCK;
    let c = place.first + place.lane % BLOCK;
    var added = vec4f(0.0);
    if bias != NONE {
        added = bias_of(bias, place.head, c);
    }
    workgroupBarrier();
    let rows = four_rows(Side(side.tensor, side.first + side.step * i32(row), 8 * side.step), place, c);
    stage[STRIP_START + row * BLOCK + place.lane % BLOCK] = rows[0] + added;
    stage[STRIP_START + (row + 8u) * BLOCK + place.lane % BLOCK] = rows[1] + added;
    workgroupBarrier();
}

// Adds Σ_b weight[4·ty + r, b]·(row first + 4·ty + r + b of the distances), where `columns` b count. A loop of known length
// would be unrolled, and ask for the rows of all its rounds at once.
fn add_band(sums: ptr<function, array<mat4x4f, 2>>, place: Place, first: i32, columns: u32) {
    let ty = place.lane / QUADS;
    let row = 4u * ty * QUADS;
    for (var h = 0u; h < 2u; h++) {
        if has_half(h) {
            let c = place.first + h * QUADS + place.lane % QUADS;
            var rows = four_rows(Side(R, first + i32(4u * ty), 1), place, c);
            for (var quad = 0u; 4u * quad < columns; quad++) {
                let next = four_rows(Side(R, first + i32(4u * (ty + quad + 1u)), 1), place, c);
                let at = row + quad;
                let rows_1 = mat4x4f(rows[1], rows[2], rows[3], next[0]);
                let rows_2 = mat4x4f(rows[2], rows[3], next[0], next[1]);
                let rows_3 = mat4x4f(rows[3], next[0], next[1], next[2]);
                (*sums)[h][0] = combine((*sums)[h][0], stage[at], rows);
                (*sums)[h][1] = combine((*sums)[h][1], stage[at + QUADS], rows_1);
                (*sums)[h][2] = combine((*sums)[h][2], stage[at + 2u * QUADS], rows_2);
                (*sums)[h][3] = combine((*sums)[h][3], stage[at + 3u * QUADS], rows_3);
                rows = next;
            }
        }
    }
}

// The same for one own row whose query is at a place of its own: its band begins at row `first`.
fn add_scattered(sums: ptr<function, array<mat4x4f, 2>>, place: Place, r: u32, first: i32, columns: u32) {
    let row = (4u * (place.lane / QUADS) + r) * QUADS;
    for (var h = 0u; h < 2u; h++) {
        if has_half(h) {
            let c = place.first + h * QUADS + place.lane % QUADS;
            for (var quad = 0u; 4u * quad < columns; quad++) {
                let rows = four_rows(Side(R, first + i32(4u * quad), 1), place, c);
                (*sums)[h][r] = combine((*sums)[h][r], stage[row + quad], rows);
            }
        }
    }
}
