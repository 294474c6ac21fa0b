// matmul_software — the same products for adapters that emulate a GPU with vectors of eight lanes.
//
// math      as matmul
// variant   matmul
// source    definition; how it came about and what it beats is in docs/kernels/matmul.md
// shapes    as matmul
// work      one subgroup of 8 lanes per 32 × 64 elements: a lane holds 32 rows × 8 columns, reads 4 of the 32 words of A
//           and gets the others by broadcast; two subgroups per 64 × 64 tile; dispatch (⌈N/64⌉, ⌈M/64⌉, splits·B)
// cost      as matmul; a lane reads 12 words for 256 multiply-adds. An emulator spends about 20 cycles on each word that
//           each lane reads, one instruction on the broadcast of a register, and hundreds of cycles on a barrier
// limits    subgroups of exactly 8 lanes (llvmpipe with 256-bit vectors); no workgroup memory; any sizes
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
@group(0) @binding(1) var<storage, read> a: array<Element>;         // [B, M, K] or [B, K, M]
@group(0) @binding(2) var<storage, read> b: array<Element>;         // [B, K, N] or [B, N, K]
@group(0) @binding(3) var<storage, read> bias: array<f32>;      // [N]
@group(0) @binding(4) var<storage, read_write> c: array<Element>;   // [B, M, N]
@group(0) @binding(5) var<storage, read_write> u: array<Element>;   // [B, M, N] what GELU is applied to, kept for backward
@group(0) @binding(6) var<storage, read_write> wide: array<f32>;  // [splits, B, M, N] sums, f32 whatever an Element is

const LANES: u32 = 16u;
const SUBGROUP: u32 = 8u;
const LANE_ROWS: u32 = 32u;
const LANE_COLUMNS: u32 = 8u;

// What a lane knows of its place.
struct Place {
    row: u32,     // first of its 32 rows
    column: u32,  // first of its 8 columns
    lane: u32,    // within its subgroup
    z: u32,       // (split, batch)
}

fn place(group: vec3u, subgroup: u32, lane: u32) -> Place {
    let row = (group.y * (LANES / SUBGROUP) + subgroup) * LANE_ROWS;
    return Place(row, (group.x * SUBGROUP + lane) * LANE_COLUMNS, lane, group.z);
}

// Adds to eight rows from `first` on: `rows` of lane i is op(A)[first + i, k]. Indices of `sums` are constants once this
// is inlined, so that it stays in registers; an index that varies would send all of it to memory.
fn add_eight(sums: ptr<function, array<vec4f, 64>>, first: u32, rows: f32, left: vec4f, right: vec4f) {
    let row_0 = vec4f(subgroupBroadcast(rows, 0u));
    sums[2u * first + 0u] = fma(row_0, left, sums[2u * first + 0u]);
    sums[2u * first + 1u] = fma(row_0, right, sums[2u * first + 1u]);
    let row_1 = vec4f(subgroupBroadcast(rows, 1u));
    sums[2u * first + 2u] = fma(row_1, left, sums[2u * first + 2u]);
    sums[2u * first + 3u] = fma(row_1, right, sums[2u * first + 3u]);
    let row_2 = vec4f(subgroupBroadcast(rows, 2u));
    sums[2u * first + 4u] = fma(row_2, left, sums[2u * first + 4u]);
    sums[2u * first + 5u] = fma(row_2, right, sums[2u * first + 5u]);
    let row_3 = vec4f(subgroupBroadcast(rows, 3u));
    sums[2u * first + 6u] = fma(row_3, left, sums[2u * first + 6u]);
    sums[2u * first + 7u] = fma(row_3, right, sums[2u * first + 7u]);
    let row_4 = vec4f(subgroupBroadcast(rows, 4u));
    sums[2u * first + 8u] = fma(row_4, left, sums[2u * first + 8u]);
    sums[2u * first + 9u] = fma(row_4, right, sums[2u * first + 9u]);
    let row_5 = vec4f(subgroupBroadcast(rows, 5u));
    sums[2u * first + 10u] = fma(row_5, left, sums[2u * first + 10u]);
    sums[2u * first + 11u] = fma(row_5, right, sums[2u * first + 11u]);
    let row_6 = vec4f(subgroupBroadcast(rows, 6u));
    sums[2u * first + 12u] = fma(row_6, left, sums[2u * first + 12u]);
    sums[2u * first + 13u] = fma(row_6, right, sums[2u * first + 13u]);
    let row_7 = vec4f(subgroupBroadcast(rows, 7u));
    sums[2u * first + 14u] = fma(row_7, left, sums[2u * first + 14u]);
    sums[2u * first + 15u] = fma(row_7, right, sums[2u * first + 15u]);
}

// Element (r, j) of the lane's 32 × 8 is sums[2·r + j / 4][j % 4]. Past the edge the last row or column is read again.
fn multiply(at: Place, sums: ptr<function, array<vec4f, 64>>) {
    let batch = at.z % params.batches;
    let first = at.z / params.batches * params.chunk;
    let end = min(first + params.chunk, params.inner);
    let a_start = batch * params.a_batch;
    let b_start = batch * params.b_batch;
    let last_row = params.rows - 1u;
    let last_column = params.columns - 1u;
    let a_0 = a_start + min(at.row + at.lane, last_row) * params.a_row;
    let a_1 = a_start + min(at.row + 8u + at.lane, last_row) * params.a_row;
    let a_2 = a_start + min(at.row + 16u + at.lane, last_row) * params.a_row;
    let a_3 = a_start + min(at.row + 24u + at.lane, last_row) * params.a_row;
    let b_0 = b_start + min(at.column, last_column) * params.b_column;
    let b_1 = b_start + min(at.column + 1u, last_column) * params.b_column;
    let b_2 = b_start + min(at.column + 2u, last_column) * params.b_column;
    let b_3 = b_start + min(at.column + 3u, last_column) * params.b_column;
    let b_4 = b_start + min(at.column + 4u, last_column) * params.b_column;
    let b_5 = b_start + min(at.column + 5u, last_column) * params.b_column;
    let b_6 = b_start + min(at.column + 6u, last_column) * params.b_column;
    let b_7 = b_start + min(at.column + 7u, last_column) * params.b_column;
    for (var k = first; k < end; k++) {
        let a_k = k * params.a_inner;
        let b_k = k * params.b_inner;
        let left = vec4f(f32(b[b_0 + b_k]), f32(b[b_1 + b_k]), f32(b[b_2 + b_k]), f32(b[b_3 + b_k]));
        let right = vec4f(f32(b[b_4 + b_k]), f32(b[b_5 + b_k]), f32(b[b_6 + b_k]), f32(b[b_7 + b_k]));
        add_eight(sums, 0u, f32(a[a_0 + a_k]), left, right);
        add_eight(sums, 8u, f32(a[a_1 + a_k]), left, right);
        add_eight(sums, 16u, f32(a[a_2 + a_k]), left, right);
        add_eight(sums, 24u, f32(a[a_3 + a_k]), left, right);
    }
}

fn store(at: Place, r: u32, left: vec4f, right: vec4f) {
    let row = at.row + r;
    let start = (at.z * params.rows + row) * params.columns;
    for (var j = 0u; j < LANE_COLUMNS; j++) {
        let column = at.column + j;
        if row < params.rows && column < params.columns {
            let sum = select(left[j % 4u], right[j % 4u], j >= 4u);
            c[start + column] = Element(sum);
        }
    }
}

fn store_eight(at: Place, first: u32, sums: ptr<function, array<vec4f, 64>>) {
    store(at, first, sums[2u * first], sums[2u * first + 1u]);
    store(at, first + 1u, sums[2u * first + 2u], sums[2u * first + 3u]);
    store(at, first + 2u, sums[2u * first + 4u], sums[2u * first + 5u]);
    store(at, first + 3u, sums[2u * first + 6u], sums[2u * first + 7u]);
    store(at, first + 4u, sums[2u * first + 8u], sums[2u * first + 9u]);
    store(at, first + 5u, sums[2u * first + 10u], sums[2u * first + 11u]);
    store(at, first + 6u, sums[2u * first + 12u], sums[2u * first + 13u]);
    store(at, first + 7u, sums[2u * first + 14u], sums[2u * first + 15u]);
}

@compute @workgroup_size(LANES)
fn forward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let at = place(group, subgroup, lane);
    var sums: array<vec4f, 64>;
    multiply(at, &sums);
    store_eight(at, 0u, &sums);
    store_eight(at, 8u, &sums);
    store_eight(at, 16u, &sums);
    store_eight(at, 24u, &sums);
}

fn store_wide(at: Place, r: u32, left: vec4f, right: vec4f) {
    let row = at.row + r;
    let start = (at.z * params.rows + row) * params.columns;
    for (var j = 0u; j < LANE_COLUMNS; j++) {
        let column = at.column + j;
        if row < params.rows && column < params.columns {
            let sum = select(left[j % 4u], right[j % 4u], j >= 4u);
            wide[start + column] = sum;
        }
    }
}

fn store_eight_wide(at: Place, first: u32, sums: ptr<function, array<vec4f, 64>>) {
    store_wide(at, first, sums[2u * first], sums[2u * first + 1u]);
    store_wide(at, first + 1u, sums[2u * first + 2u], sums[2u * first + 3u]);
    store_wide(at, first + 2u, sums[2u * first + 4u], sums[2u * first + 5u]);
    store_wide(at, first + 3u, sums[2u * first + 6u], sums[2u * first + 7u]);
    store_wide(at, first + 4u, sums[2u * first + 8u], sums[2u * first + 9u]);
    store_wide(at, first + 5u, sums[2u * first + 10u], sums[2u * first + 11u]);
    store_wide(at, first + 6u, sums[2u * first + 12u], sums[2u * first + 13u]);
    store_wide(at, first + 7u, sums[2u * first + 14u], sums[2u * first + 15u]);
}

@compute @workgroup_size(LANES)
fn forward_wide(
    @builtin(workgroup_id) group: vec3u,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let at = place(group, subgroup, lane);
    var sums: array<vec4f, 64>;
    multiply(at, &sums);
    store_eight_wide(at, 0u, &sums);
    store_eight_wide(at, 8u, &sums);
    store_eight_wide(at, 16u, &sums);
    store_eight_wide(at, 24u, &sums);
}

fn store_bias(at: Place, r: u32, left: vec4f, right: vec4f) {
    let row = at.row + r;
    let start = (at.z * params.rows + row) * params.columns;
    for (var j = 0u; j < LANE_COLUMNS; j++) {
        let column = at.column + j;
        if row < params.rows && column < params.columns {
            let sum = select(left[j % 4u], right[j % 4u], j >= 4u);
            c[start + column] = Element(sum + bias[column]);
        }
    }
}

fn store_eight_bias(at: Place, first: u32, sums: ptr<function, array<vec4f, 64>>) {
    store_bias(at, first, sums[2u * first], sums[2u * first + 1u]);
    store_bias(at, first + 1u, sums[2u * first + 2u], sums[2u * first + 3u]);
    store_bias(at, first + 2u, sums[2u * first + 4u], sums[2u * first + 5u]);
    store_bias(at, first + 3u, sums[2u * first + 6u], sums[2u * first + 7u]);
    store_bias(at, first + 4u, sums[2u * first + 8u], sums[2u * first + 9u]);
    store_bias(at, first + 5u, sums[2u * first + 10u], sums[2u * first + 11u]);
    store_bias(at, first + 6u, sums[2u * first + 12u], sums[2u * first + 13u]);
    store_bias(at, first + 7u, sums[2u * first + 14u], sums[2u * first + 15u]);
}

@compute @workgroup_size(LANES)
fn forward_bias(
    @builtin(workgroup_id) group: vec3u,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let at = place(group, subgroup, lane);
    var sums: array<vec4f, 64>;
    multiply(at, &sums);
    store_eight_bias(at, 0u, &sums);
    store_eight_bias(at, 8u, &sums);
    store_eight_bias(at, 16u, &sums);
    store_eight_bias(at, 24u, &sums);
}

fn store_gelu(at: Place, r: u32, left: vec4f, right: vec4f) {
    let row = at.row + r;
    let start = (at.z * params.rows + row) * params.columns;
    for (var j = 0u; j < LANE_COLUMNS; j++) {
        let column = at.column + j;
        if row < params.rows && column < params.columns {
            let sum = select(left[j % 4u], right[j % 4u], j >= 4u);
            let value = sum + bias[column];
            u[start + column] = Element(value);
            c[start + column] = Element(gelu(value, params.gelu_form));
        }
    }
}

fn store_eight_gelu(at: Place, first: u32, sums: ptr<function, array<vec4f, 64>>) {
    store_gelu(at, first, sums[2u * first], sums[2u * first + 1u]);
    store_gelu(at, first + 1u, sums[2u * first + 2u], sums[2u * first + 3u]);
    store_gelu(at, first + 2u, sums[2u * first + 4u], sums[2u * first + 5u]);
    store_gelu(at, first + 3u, sums[2u * first + 6u], sums[2u * first + 7u]);
    store_gelu(at, first + 4u, sums[2u * first + 8u], sums[2u * first + 9u]);
    store_gelu(at, first + 5u, sums[2u * first + 10u], sums[2u * first + 11u]);
    store_gelu(at, first + 6u, sums[2u * first + 12u], sums[2u * first + 13u]);
    store_gelu(at, first + 7u, sums[2u * first + 14u], sums[2u * first + 15u]);
}

@compute @workgroup_size(LANES)
fn forward_gelu(
    @builtin(workgroup_id) group: vec3u,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let at = place(group, subgroup, lane);
    var sums: array<vec4f, 64>;
    multiply(at, &sums);
    store_eight_gelu(at, 0u, &sums);
    store_eight_gelu(at, 8u, &sums);
    store_eight_gelu(at, 16u, &sums);
    store_eight_gelu(at, 24u, &sums);
}
