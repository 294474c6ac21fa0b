// matmul_tile — one workgroup computes a TILE_ROWS × TILE_COLUMNS tile of op(A)·op(B), 8 × 8 elements a lane.
//
// The shader that uses it declares Params, TILE_ROWS, TILE_COLUMNS, and what matmul_blocks asks for.
// Steps of 16 along K are staged in workgroup memory as [k][row / 4] and [k][column / 4], (TILE_ROWS + TILE_COLUMNS)·64 bytes.
// The quad index is xor-ed with 2·(k / 4): stores and loads of neighbouring lanes then fall in distinct banks.

const TILE_INNER: u32 = 16u;
const A_QUADS: u32 = TILE_ROWS / 4u;
const B_QUADS: u32 = TILE_COLUMNS / 4u;
const LANES_ACROSS: u32 = TILE_COLUMNS / 8u;
const LANES: u32 = LANES_ACROSS * TILE_ROWS / 8u;
const BLOCKS_A_LANE: u32 = (TILE_ROWS + TILE_COLUMNS) / LANES;

var<workgroup> a_tile: array<vec4f, TILE_INNER * A_QUADS>;
var<workgroup> b_tile: array<vec4f, TILE_INNER * B_QUADS>;

// Row `r` of 0..8 that a lane owns: four at the top of the tile's upper half, four of its lower half.
fn tile_row(group: vec3u, lane: u32, r: u32) -> u32 {
    return group.y * TILE_ROWS + (r / 4u) * (TILE_ROWS / 2u) + (lane / LANES_ACROSS) * 4u + r % 4u;
}

// First of the four columns that a lane owns in half `h` of 0..2.
fn tile_column(group: vec3u, lane: u32, h: u32) -> u32 {
    return group.x * TILE_COLUMNS + h * (TILE_COLUMNS / 2u) + (lane % LANES_ACROSS) * 4u;
}

// Σₖ op(A)[row, k]·op(B)[k, column] over this group's share of K; element (r, h) of a lane is sums[2·r + h].
fn multiply(group: vec3u, lane: u32, sums: ptr<function, array<vec4f, 16>>) {
    let batch = group.z % params.batches;
    let first = group.z / params.batches * params.chunk;
    let end = min(first + params.chunk, params.inner);
    let across = lane % LANES_ACROSS;
    let down = lane / LANES_ACROSS;

    for (var k = first; k < end; k += TILE_INNER) {
        // Read everything before waiting for the lanes that still multiply the step before.
        var blocks: array<mat4x4f, BLOCKS_A_LANE>;
        for (var i = 0u; i < BLOCKS_A_LANE; i++) {
            let block = i * LANES + lane;
            if block < TILE_ROWS {
                let at = place(block, A_QUADS, params.a_inner == 1u);
                let row = group.y * TILE_ROWS + 4u * at.x;
                blocks[i] = a_block(batch * params.a_batch, row, k + 4u * at.y, end);
            } else {
                let at = place(block - TILE_ROWS, B_QUADS, params.b_inner == 1u);
                let column = group.x * TILE_COLUMNS + 4u * at.x;
                blocks[i] = b_block(batch * params.b_batch, column, k + 4u * at.y, end);
            }
        }
        workgroupBarrier();
        for (var i = 0u; i < BLOCKS_A_LANE; i++) {
            let block = i * LANES + lane;
            if block < TILE_ROWS {
                let at = place(block, A_QUADS, params.a_inner == 1u);
                for (var j = 0u; j < 4u; j++) {
                    a_tile[(4u * at.y + j) * A_QUADS + (at.x ^ (2u * at.y))] = blocks[i][j];
                }
            } else {
                let at = place(block - TILE_ROWS, B_QUADS, params.b_inner == 1u);
                for (var j = 0u; j < 4u; j++) {
                    b_tile[(4u * at.y + j) * B_QUADS + (at.x ^ (2u * at.y))] = blocks[i][j];
                }
            }
        }
        workgroupBarrier();
        for (var deep = 0u; deep < TILE_INNER / 4u; deep++) {
            let a_at = 4u * deep * A_QUADS + (down ^ (2u * deep));
            let b_at = 4u * deep * B_QUADS + (across ^ (2u * deep));
            for (var j = 0u; j < 4u; j++) {
                let upper = a_tile[a_at + j * A_QUADS];
                let lower = a_tile[a_at + j * A_QUADS + A_QUADS / 2u];
                let left = b_tile[b_at + j * B_QUADS];
                let right = b_tile[b_at + j * B_QUADS + B_QUADS / 2u];
                for (var r = 0u; r < 4u; r++) {
                    sums[2u * r] = fma(vec4f(upper[r]), left, sums[2u * r]);
                    sums[2u * r + 1u] = fma(vec4f(upper[r]), right, sums[2u * r + 1u]);
                    sums[2u * r + 8u] = fma(vec4f(lower[r]), left, sums[2u * r + 8u]);
                    sums[2u * r + 9u] = fma(vec4f(lower[r]), right, sums[2u * r + 9u]);
                }
            }
        }
    }
}
