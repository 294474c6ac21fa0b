// attention_tile — the two small matrix products of a tile of attention, on operands staged by one workgroup.
//
// Lane (ty, tx) of 16 × 8 owns rows 4·ty.. of the tile's 64 and columns 4·tx.. of its 32, in three roles:
// the products ⟨own row, other row⟩, the tile of weights made of them, and weights · other rows.
// A chunk is 32 channels. 12 KiB of workgroup memory whatever the head width, so it fits WebGPU's 16.

const TILE_LANES: u32 = 128u;
const TILE_ROWS: u32 = 64u;
const TILE_COLUMNS: u32 = 32u;
const CHUNK: u32 = 8u;  // vec4s of a chunk, and of a row of weights

var<workgroup> own: array<vec4f, 512>;    // [64, 8]  a chunk of the own rows, then the weights
var<workgroup> other: array<vec4f, 256>;  // [32, 8]  a chunk of the other rows

// Where channel vec4 `c` of row `row` lies in `other` while products are taken: eight lanes read rows 0, 4, 8 ..
// at once, and the exclusive or spreads them over the banks.
fn swizzled(row: u32, c: u32) -> u32 {
    return row * CHUNK + (c ^ ((row >> 2u) & 7u));
}

// [i][c] = sum[i][c] + ⟨own row 4·ty+i, other row 4·tx+c⟩ over the staged chunk.
fn inner_products(sum_in: mat4x4f, ty: u32, tx: u32) -> mat4x4f {
    var sum = sum_in;
    for (var c = 0u; c < CHUNK; c++) {
        let start = 4u * tx * CHUNK + (c ^ tx);
        let columns = transpose(mat4x4f(
            other[start],
            other[start + CHUNK],
            other[start + 2u * CHUNK],
            other[start + 3u * CHUNK],
        ));
        for (var i = 0u; i < 4u; i++) {
            sum[i] = combine(sum[i], own[(4u * ty + i) * CHUNK + c], columns);
        }
    }
    return sum;
}

// [i] = sum[i] + Σ_j weight[4·ty+i, j]·other[j, channels 4·tx..], the weights in `own`, `other` unswizzled.
fn weighted_sums(sum_in: mat4x4f, ty: u32, tx: u32) -> mat4x4f {
    var sum = sum_in;
    for (var j = 0u; j < TILE_COLUMNS; j += 4u) {
        let start = j * CHUNK + tx;
        let rows = mat4x4f(
            other[start],
            other[start + CHUNK],
            other[start + 2u * CHUNK],
            other[start + 3u * CHUNK],
        );
        for (var i = 0u; i < 4u; i++) {
            sum[i] = combine(sum[i], own[(4u * ty + i) * CHUNK + j / 4u], rows);
        }
    }
    return sum;
}
