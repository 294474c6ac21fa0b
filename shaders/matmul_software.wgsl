// matmul_software — the same products for adapters that emulate a GPU on the CPU.
//
// math      as matmul
// variant   matmul
// source    definition; measured against tiles in workgroup memory, docs/kernels/matmul.md
// shapes    as matmul
// work      one lane per 8 × 16 elements kept in registers, 32 lanes per 64 × 64 tile; dispatch (⌈N/64⌉, ⌈M/64⌉, splits·B)
// cost      as matmul; each lane reads 24 words for 128 multiply-adds, and nothing waits at a barrier
// limits    no workgroup memory; any sizes, any leading dimensions
// uses      shared/gelu.wgsl

struct Params {
    rows: u32,      // M
    columns: u32,   // N
    inner: u32,     // K
    batches: u32,   // B
    a_row: u32,     // words from one row of op(A) to the next
    a_inner: u32,   // words from one column of op(A) to the next
    a_batch: u32,   // words from one A to the next, 0 when all batches share it
    b_inner: u32,   // words from one row of op(B) to the next
    b_column: u32,  // words from one column of op(B) to the next
    b_batch: u32,   // words from one B to the next, 0 when all batches share it
    chunk: u32,     // how much of K one split sums, a multiple of 16
    splits: u32,    // ⌈K / chunk⌉, at least 1
    gelu_form: u32, // GELU_ERF or GELU_TANH
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;         // [B, M, K] or [B, K, M]
@group(0) @binding(2) var<storage, read> b: array<f32>;         // [B, K, N] or [B, N, K]
@group(0) @binding(3) var<storage, read> bias: array<f32>;      // [N]
@group(0) @binding(4) var<storage, read_write> c: array<f32>;   // [B, M, N], from forward [splits, B, M, N]
@group(0) @binding(5) var<storage, read_write> u: array<f32>;   // [B, M, N] what GELU is applied to, kept for backward

const LANES: u32 = 32u;
const LANES_ACROSS: u32 = 4u;
const LANE_ROWS: u32 = 8u;
const LANE_COLUMNS: u32 = 16u;

fn first_row(group: vec3u, lane: u32) -> u32 {
    return group.y * 64u + lane / LANES_ACROSS * LANE_ROWS;
}

fn first_column(group: vec3u, lane: u32) -> u32 {
    return group.x * 64u + lane % LANES_ACROSS * LANE_COLUMNS;
}

// Element (r, 4·q + j) of the lane is sums[4·r + q][j]. Past the edge the last row or column is read again.
fn multiply(group: vec3u, lane: u32, sums: ptr<function, array<vec4f, 32>>) {
    let batch = group.z % params.batches;
    let first = group.z / params.batches * params.chunk;
    let end = min(first + params.chunk, params.inner);
    let row = first_row(group, lane);
    let column = first_column(group, lane);
    var a_at: array<u32, LANE_ROWS>;
    var b_at: array<u32, LANE_COLUMNS>;
    for (var r = 0u; r < LANE_ROWS; r++) {
        a_at[r] = batch * params.a_batch + min(row + r, params.rows - 1u) * params.a_row;
    }
    for (var j = 0u; j < LANE_COLUMNS; j++) {
        b_at[j] = batch * params.b_batch + min(column + j, params.columns - 1u) * params.b_column;
    }
    for (var k = first; k < end; k++) {
        let a_k = k * params.a_inner;
        let b_k = k * params.b_inner;
        var b_line: array<vec4f, 4>;
        for (var q = 0u; q < 4u; q++) {
            b_line[q] = vec4f(
                b[b_at[4u * q] + b_k],
                b[b_at[4u * q + 1u] + b_k],
                b[b_at[4u * q + 2u] + b_k],
                b[b_at[4u * q + 3u] + b_k],
            );
        }
        for (var r = 0u; r < LANE_ROWS; r++) {
            let factor = vec4f(a[a_at[r] + a_k]);
            for (var q = 0u; q < 4u; q++) {
                sums[4u * r + q] = fma(factor, b_line[q], sums[4u * r + q]);
            }
        }
    }
}

@compute @workgroup_size(LANES)
fn forward(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    var sums: array<vec4f, 32>;
    multiply(group, lane, &sums);
    for (var r = 0u; r < LANE_ROWS; r++) {
        let row = first_row(group, lane) + r;
        let start = (group.z * params.rows + row) * params.columns;
        for (var j = 0u; j < LANE_COLUMNS; j++) {
            let column = first_column(group, lane) + j;
            if row < params.rows && column < params.columns {
                c[start + column] = sums[4u * r + j / 4u][j % 4u];
            }
        }
    }
}

@compute @workgroup_size(LANES)
fn forward_bias(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    var sums: array<vec4f, 32>;
    multiply(group, lane, &sums);
    for (var r = 0u; r < LANE_ROWS; r++) {
        let row = first_row(group, lane) + r;
        let start = (group.z * params.rows + row) * params.columns;
        for (var j = 0u; j < LANE_COLUMNS; j++) {
            let column = first_column(group, lane) + j;
            if row < params.rows && column < params.columns {
                c[start + column] = sums[4u * r + j / 4u][j % 4u] + bias[column];
            }
        }
    }
}

@compute @workgroup_size(LANES)
fn forward_gelu(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    var sums: array<vec4f, 32>;
    multiply(group, lane, &sums);
    for (var r = 0u; r < LANE_ROWS; r++) {
        let row = first_row(group, lane) + r;
        let start = (group.z * params.rows + row) * params.columns;
        for (var j = 0u; j < LANE_COLUMNS; j++) {
            let column = first_column(group, lane) + j;
            if row < params.rows && column < params.columns {
                let value = sums[4u * r + j / 4u][j % 4u] + bias[column];
                u[start + column] = value;
                c[start + column] = gelu(value, params.gelu_form);
            }
        }
    }
}
