// relative_sums — what the weights of a tile of relative attention make of other rows, and of the band.
//
// Beside combine.wgsl and relative_tile.wgsl. Rows come from memory: eight lanes read 128 bytes of one.

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

// sums[chunk][r] + Σ_b weight[4·ty + r, b]·(other row b + bias), at channels 4·tx .. of each chunk of 32.
fn add_others(sums: ptr<function, array<mat4x4f, 4>>, place: Place, other: Side, bias: u32) {
    let row = 4u * (place.lane / QUADS) * QUADS;
    for (var chunk = 0u; chunk < CHUNKS; chunk++) {
        let c = chunk * QUADS + place.lane % QUADS;
        var added = vec4f(0.0);
        if bias != NONE && c < params.width / 4u {
            added = bias_of(bias, place.head, c);
        }
        for (var quad = 0u; quad < QUADS; quad++) {
            let first = other.first + other.step * i32(4u * quad);
            let rows = mat4x4f(
                load(other.tensor, place, first, c) + added,
                load(other.tensor, place, first + other.step, c) + added,
                load(other.tensor, place, first + 2 * other.step, c) + added,
                load(other.tensor, place, first + 3 * other.step, c) + added,
            );
            for (var r = 0u; r < 4u; r++) {
                (*sums)[chunk][r] = combine((*sums)[chunk][r], stage[row + r * QUADS + quad], rows);
            }
        }
    }
}

// sums[chunk][r] + Σ_b weight[4·ty + r, b]·(row first + 4·ty + r + b of the distances), likewise.
fn add_band(sums: ptr<function, array<mat4x4f, 4>>, place: Place, first: i32) {
    let ty = place.lane / QUADS;
    let row = 4u * ty * QUADS;
    for (var chunk = 0u; chunk < CHUNKS; chunk++) {
        let c = chunk * QUADS + place.lane % QUADS;
        var rows = four_rows(R, place, first + i32(4u * ty), c);
        for (var quad = 0u; quad < QUADS; quad++) {
            let next = four_rows(R, place, first + i32(4u * (ty + quad + 1u)), c);
            let at = row + quad;
            let rows_1 = mat4x4f(rows[1], rows[2], rows[3], next[0]);
            let rows_2 = mat4x4f(rows[2], rows[3], next[0], next[1]);
            let rows_3 = mat4x4f(rows[3], next[0], next[1], next[2]);
            (*sums)[chunk][0] = combine((*sums)[chunk][0], stage[at], rows);
            (*sums)[chunk][1] = combine((*sums)[chunk][1], stage[at + QUADS], rows_1);
            (*sums)[chunk][2] = combine((*sums)[chunk][2], stage[at + 2u * QUADS], rows_2);
            (*sums)[chunk][3] = combine((*sums)[chunk][3], stage[at + 3u * QUADS], rows_3);
            rows = next;
        }
    }
}

// The same for one own row whose query is at a place of its own: its band begins at row `first`.
fn add_scattered(sums: ptr<function, array<mat4x4f, 4>>, place: Place, r: u32, first: i32) {
    let row = (4u * (place.lane / QUADS) + r) * QUADS;
    for (var chunk = 0u; chunk < CHUNKS; chunk++) {
        let c = chunk * QUADS + place.lane % QUADS;
        for (var quad = 0u; quad < QUADS; quad++) {
            let rows = four_rows(R, place, first + i32(4u * quad), c);
            (*sums)[chunk][r] = combine((*sums)[chunk][r], stage[row + quad], rows);
        }
    }
}
