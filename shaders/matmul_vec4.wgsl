// matmul_vec4 — the same products for large matrices whose rows start at multiples of four words.
//
// math      as matmul
// variant   matmul
// source    definition; tiles as in docs/kernels/matmul.md
// shapes    as matmul; N and the contiguous axis of A and of B are multiples of 4
// work      one workgroup per 128 × 128 tile, 256 lanes of 8 × 8 elements; dispatch (⌈N/128⌉, ⌈M/128⌉, splits·B)
// cost      as matmul; half the traffic of its 64 × 64 tiles, and 16-byte loads and stores
// limits    16 KiB of workgroup memory, 256 invocations
// uses      shared/gelu.wgsl, shared/matmul_blocks.wgsl, shared/matmul_tile.wgsl

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
@group(0) @binding(1) var<storage, read> a: array<Element4>;        // [B, M, K] or [B, K, M]
@group(0) @binding(2) var<storage, read> b: array<Element4>;        // [B, K, N] or [B, N, K]
@group(0) @binding(3) var<storage, read> bias: array<vec4f>;     // [N]
@group(0) @binding(4) var<storage, read_write> c: array<Element4>;  // [B, M, N]
@group(0) @binding(5) var<storage, read_write> u: array<Element4>;  // [B, M, N] what GELU is applied to, kept for backward
@group(0) @binding(6) var<storage, read_write> wide: array<vec4f>;  // [splits, B, M, N] sums, f32 whatever an Element is

const TILE_ROWS: u32 = 128u;
const TILE_COLUMNS: u32 = 128u;

// `count` is 0 or at least 4: the contiguous axes are multiples of 4.
fn a_quad(at: u32, count: u32) -> vec4f {
    if count == 0u {
        return vec4f();
    }
    return vec4f(a[at / 4u]);
}

fn b_quad(at: u32, count: u32) -> vec4f {
    if count == 0u {
        return vec4f();
    }
    return vec4f(b[at / 4u]);
}

@compute @workgroup_size(LANES)
fn forward(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    var sums: array<vec4f, 16>;
    multiply(group, lane, &sums);
    for (var r = 0u; r < 8u; r++) {
        let row = tile_row(group, lane, r);
        let start = (group.z * params.rows + row) * params.columns;
        for (var h = 0u; h < 2u; h++) {
            let column = tile_column(group, lane, h);
            if row < params.rows && column < params.columns {
                c[(start + column) / 4u] = Element4(sums[2u * r + h]);
            }
        }
    }
}

@compute @workgroup_size(LANES)
fn forward_wide(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    var sums: array<vec4f, 16>;
    multiply(group, lane, &sums);
    for (var r = 0u; r < 8u; r++) {
        let row = tile_row(group, lane, r);
        let start = (group.z * params.rows + row) * params.columns;
        for (var h = 0u; h < 2u; h++) {
            let column = tile_column(group, lane, h);
            if row < params.rows && column < params.columns {
                wide[(start + column) / 4u] = sums[2u * r + h];
            }
        }
    }
}

@compute @workgroup_size(LANES)
fn forward_bias(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    var sums: array<vec4f, 16>;
    multiply(group, lane, &sums);
    for (var r = 0u; r < 8u; r++) {
        let row = tile_row(group, lane, r);
        let start = (group.z * params.rows + row) * params.columns;
        for (var h = 0u; h < 2u; h++) {
            let column = tile_column(group, lane, h);
            if row < params.rows && column < params.columns {
                c[(start + column) / 4u] = Element4(sums[2u * r + h] + bias[column / 4u]);
            }
        }
    }
}

@compute @workgroup_size(LANES)
fn forward_gelu(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    var sums: array<vec4f, 16>;
    multiply(group, lane, &sums);
    for (var r = 0u; r < 8u; r++) {
        let row = tile_row(group, lane, r);
        let start = (group.z * params.rows + row) * params.columns;
        for (var h = 0u; h < 2u; h++) {
            let column = tile_column(group, lane, h);
            if row < params.rows && column < params.columns {
                let value = sums[2u * r + h] + bias[column / 4u];
                u[(start + column) / 4u] = Element4(value);
                c[(start + column) / 4u] = Element4(vec4f(
                    gelu(value.x, params.gelu_form),
                    gelu(value.y, params.gelu_form),
                    gelu(value.z, params.gelu_form),
                    gelu(value.w, params.gelu_form),
                ));
            }
        }
    }
}
