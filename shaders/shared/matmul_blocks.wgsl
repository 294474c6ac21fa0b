// matmul_blocks — operands in blocks of 4 × 4 words, whichever way they lie.
//
// The shader that uses it declares Params, TILE_INNER (the steps along K) and how four neighbouring words are read:
// a_quad(at, count) and b_quad(at, count) give a[at..at + 4] with zeros from `count` on.
// An operand that lies along K is transposed on the way, in registers.

fn remaining(at: u32, end: u32) -> u32 {
    return end - min(at, end);
}

// op(A)[row..row + 4, k..k + 4]: component i of vector j is row + i at k + j; zero past M and past `end`.
fn a_block(start: u32, row: u32, k: u32, end: u32) -> mat4x4f {
    let along_k = params.a_inner == 1u;
    let stride = select(params.a_inner, params.a_row, along_k);
    let at = start + row * params.a_row + k * params.a_inner;
    let rows = remaining(row, params.rows);
    let inner = remaining(k, end);
    let count = select(rows, inner, along_k);  // words that lie side by side
    let lines = select(inner, rows, along_k);  // how often, `stride` apart
    let block = mat4x4f(
        a_quad(at, select(0u, count, lines > 0u)),
        a_quad(at + stride, select(0u, count, lines > 1u)),
        a_quad(at + 2u * stride, select(0u, count, lines > 2u)),
        a_quad(at + 3u * stride, select(0u, count, lines > 3u)),
    );
    if along_k {
        return transpose(block);
    }
    return block;
}

// op(B)[k..k + 4, column..column + 4]: component i of vector j is column + i at k + j.
fn b_block(start: u32, column: u32, k: u32, end: u32) -> mat4x4f {
    let along_k = params.b_inner == 1u;
    let stride = select(params.b_inner, params.b_column, along_k);
    let at = start + column * params.b_column + k * params.b_inner;
    let columns = remaining(column, params.columns);
    let inner = remaining(k, end);
    let count = select(columns, inner, along_k);
    let lines = select(inner, columns, along_k);
    let block = mat4x4f(
        b_quad(at, select(0u, count, lines > 0u)),
        b_quad(at + stride, select(0u, count, lines > 1u)),
        b_quad(at + 2u * stride, select(0u, count, lines > 2u)),
        b_quad(at + 3u * stride, select(0u, count, lines > 3u)),
    );
    if along_k {
        return transpose(block);
    }
    return block;
}

// Where block `block` of an operand of `quads` quads lies in the tile: (quad, k / 4).
// Neighbouring lanes go along the axis that is contiguous in memory.
fn place(block: u32, quads: u32, along_k: bool) -> vec2u {
    let deep = TILE_INNER / 4u;
    return select(vec2u(block % quads, block / quads), vec2u(block / deep, block % deep), along_k);
}
