// attention_tile — the two small matrix products of a tile of attention, by one workgroup.
//
// Lane (ty, tx) of 8 × 8 owns rows 8·ty.. of the tile's 64 and columns 4·tx.. of its 32, in two roles: the products
// ⟨own row, other row⟩, and the tile of weights made of them. Of the results, weights · other rows, it owns rows 8·ty.. and
// channels 4·tx.. and 32 + 4·tx.. of a block of 64. A chunk is 32 channels. 12 KiB of workgroup memory whatever the head
// width, so it fits WebGPU's 16. Beside combine.wgsl and attention_place.wgsl, for a shader that declares `params`,
// CHUNKS = ⌈D/32⌉, and `vec4_of(tensor, at)`, a word of one of the tensors below.

const TILE_LANES: u32 = 64u;
const TILE_ROWS: u32 = 64u;
const TILE_COLUMNS: u32 = 32u;
const CHUNK: u32 = 8u;   // vec4s of a chunk, and of a row of weights
const BLOCK: u32 = 16u;  // vec4s of a row of results
const STRIP: u32 = 16u;  // other rows that are staged at a time for them

// Which tensor rows are of; Q and DY have T rows an item, K and V S.
const Q: u32 = 0u;
const K: u32 = 1u;
const V: u32 = 2u;
const DY: u32 = 3u;

var<workgroup> own: array<vec4f, 512>;    // [64, 8]  a chunk of the own rows, then the weights
var<workgroup> other: array<vec4f, 256>;  // [32, 8]  a chunk of the other rows, or [16, 16] a strip of them

// Where vec4 `c` of a row lies in `own`, and in `other` while it holds a chunk: lanes read rows 0, 8, 16 .. or 0, 4, 8 ..
// at once, and the exclusive or spreads them over the banks.
fn own_at(row: u32, c: u32) -> u32 {
    return row * CHUNK + (c ^ (row / 8u));
}

fn other_at(row: u32, c: u32) -> u32 {
    return row * CHUNK + (c ^ (row / 4u));
}

// Channels 4·c .. of four rows, `apart` from one to the next, zero past the end. All are read, whatever is inside, so that
// the four are under way at once.
fn load_four(tensor: u32, place: Place, row: u32, apart: u32, c: u32) -> mat4x4f {
    let length = select(params.keys, params.queries, tensor == Q || tensor == DY);
    let width = params.width / 4u;
    let stride = params.heads * width;
    let last = params.batch * length * stride - 1u;
    let at = place.item * length * stride + place.head * width + row * stride + c;
    let end = select(0u, length, c < width);
    var rows: mat4x4f;
    for (var n = 0u; n < 4u; n++) {
        let value = vec4_of(tensor, min(at + n * apart * stride, last));
        rows[n] = select(vec4f(0.0), value, row + n * apart < end);
    }
    return rows;
}

// Σ over all chunks of ⟨own row, other row⟩ for the lane's 8 × 4, own rows from `row`, other rows from `column`.
fn products(own_tensor: u32, other_tensor: u32, place: Place, row: u32, column: u32) -> array<vec4f, 8> {
    var sum: array<vec4f, 8>;
    for (var chunk = 0u; chunk < CHUNKS; chunk++) {
        let first = place.lane / CHUNK;
        let c = place.lane % CHUNK;
        workgroupBarrier();
        for (var r = first; r < TILE_ROWS; r += 32u) {
            let rows = load_four(own_tensor, place, row + r, 8u, chunk * CHUNK + c);
            for (var n = 0u; n < 4u; n++) {
                own[own_at(r + 8u * n, c)] = rows[n];
            }
        }
        let rows = load_four(other_tensor, place, column + first, 8u, chunk * CHUNK + c);
        for (var n = 0u; n < 4u; n++) {
            other[other_at(first + 8u * n, c)] = rows[n];
        }
        workgroupBarrier();
        add_chunk(&sum, place.lane / 8u, place.lane % 8u);
    }
    return sum;
}

// sum[r] += ⟨own row 8·ty + r, other rows 4·tx ..⟩ over the staged chunk.
fn add_chunk(sum: ptr<function, array<vec4f, 8>>, ty: u32, tx: u32) {
    for (var c = 0u; c < CHUNK; c++) {
        let start = other_at(4u * tx, c);
        let columns = transpose(mat4x4f(
            other[start],
            other[start + CHUNK],
            other[start + 2u * CHUNK],
            other[start + 3u * CHUNK],
        ));
        let row = own_at(8u * ty, c);
        for (var r = 0u; r < 8u; r++) {
            (*sum)[r] = combine((*sum)[r], own[row + r * CHUNK], columns);
        }
    }
}

// sums + weights · other rows from `column`; weights[r] are those of own row 8·ty + r at columns 4·tx .., sums[2·r + h] that
// row at channels 32·h + 4·tx .. of the block.
fn add_weighted(
    sums: ptr<function, array<vec4f, 16>>,
    weights: array<vec4f, 8>,
    other_tensor: u32,
    place: Place,
    column: u32,
) {
    let ty = place.lane / 8u;
    let tx = place.lane % 8u;
    workgroupBarrier();
    for (var r = 0u; r < 8u; r++) {
        own[own_at(8u * ty + r, tx)] = weights[r];
    }
    for (var start = 0u; start < TILE_COLUMNS; start += STRIP) {
        stage_strip(other_tensor, place, column + start);
        add_strip(sums, ty, tx, start);
    }
}

// Rows row .. row + 15 of the block's channels, into `other` and there for all.
fn stage_strip(tensor: u32, place: Place, row: u32) {
    let first = place.lane / BLOCK;
    let c = place.lane % BLOCK;
    workgroupBarrier();
    let rows = load_four(tensor, place, row + first, 4u, place.first + c);
    for (var n = 0u; n < 4u; n++) {
        other[(first + 4u * n) * BLOCK + c] = rows[n];
    }
    workgroupBarrier();
}

// Adds what the 16 columns from `start` bring, whose rows are staged.
fn add_strip(sums: ptr<function, array<vec4f, 16>>, ty: u32, tx: u32, start: u32) {
    for (var j = 0u; j < STRIP; j += 4u) {
        let left = strip_rows(j, tx);
        let right = strip_rows(j, CHUNK + tx);
        let row = own_at(8u * ty, (start + j) / 4u);
        for (var r = 0u; r < 8u; r++) {
            let weights = own[row + r * CHUNK];
            (*sums)[2u * r] = combine((*sums)[2u * r], weights, left);
            if CHUNKS > 1u {
                (*sums)[2u * r + 1u] = combine((*sums)[2u * r + 1u], weights, right);
            }
        }
    }
}

fn strip_rows(j: u32, c: u32) -> mat4x4f {
    let at = j * BLOCK + c;
    return mat4x4f(other[at], other[at + BLOCK], other[at + 2u * BLOCK], other[at + 3u * BLOCK]);
}
