// matmul — products of matrices, with the bias and the GELU of a linear layer applied on the way out.
//
// math      C = op(A)·op(B),  C = op(A)·op(B) + 1·bᵀ,  C = gelu(U) with U = op(A)·op(B) + 1·bᵀ
//           backward is products again: d op(A) = dC·op(B)ᵀ, d op(B) = op(A)ᵀ·dC; gelu′(U) is applied by gelu
// source    definition; tiles as in docs/kernels/matmul.md
// shapes    op(A) [M, K], op(B) [K, N], C [M, N], for each of B batches; op is a pair of strides, one of them 1
// work      one workgroup per 64 × 64 tile, 64 lanes of 8 × 8 elements; dispatch (⌈N/64⌉, ⌈M/64⌉, splits·B)
//           a long K is cut in `splits` shares whose sums land in wide [splits, B, M, N]; reduce adds them in order
// cost      2·B·M·N·K FLOPs; moves at least B·(M·K + K·N + M·N) words, reduce (splits + 1)·B·M·N
// limits    8 KiB of workgroup memory, 64 invocations; any sizes, any leading dimensions
// numerics  plain f32 sums along K within a share: error ≤ K·2⁻²⁴·Σ|a·b|, in practice near √K·2⁻²⁴
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
@group(0) @binding(1) var<storage, read> a: array<Element>;         // [B, M, K] or [B, K, M]
@group(0) @binding(2) var<storage, read> b: array<Element>;         // [B, K, N] or [B, N, K]
@group(0) @binding(3) var<storage, read> bias: array<f32>;      // [N]
@group(0) @binding(4) var<storage, read_write> c: array<Element>;   // [B, M, N]
@group(0) @binding(5) var<storage, read_write> u: array<Element>;   // [B, M, N] what GELU is applied to, kept for backward
@group(0) @binding(6) var<storage, read_write> wide: array<f32>;   // [splits, B, M, N] sums, f32 whatever an Element is

const TILE_ROWS: u32 = 64u;
const TILE_COLUMNS: u32 = 64u;
const REDUCE_LANES: u32 = 256u;

fn a_quad(at: u32, count: u32) -> vec4f {
    var quad = vec4f();
    if count > 0u { quad.x = f32(a[at]); }
    if count > 1u { quad.y = f32(a[at + 1u]); }
    if count > 2u { quad.z = f32(a[at + 2u]); }
    if count > 3u { quad.w = f32(a[at + 3u]); }
    return quad;
}

fn b_quad(at: u32, count: u32) -> vec4f {
    var quad = vec4f();
    if count > 0u { quad.x = f32(b[at]); }
    if count > 1u { quad.y = f32(b[at + 1u]); }
    if count > 2u { quad.z = f32(b[at + 2u]); }
    if count > 3u { quad.w = f32(b[at + 3u]); }
    return quad;
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
            for (var j = 0u; j < 4u; j++) {
                if row < params.rows && column + j < params.columns {
                    c[start + column + j] = Element(sums[2u * r + h][j]);
                }
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
            for (var j = 0u; j < 4u; j++) {
                if row < params.rows && column + j < params.columns {
                    wide[start + column + j] = sums[2u * r + h][j];
                }
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
            for (var j = 0u; j < 4u; j++) {
                if row < params.rows && column + j < params.columns {
                    c[start + column + j] = Element(sums[2u * r + h][j] + bias[column + j]);
                }
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
            for (var j = 0u; j < 4u; j++) {
                if row < params.rows && column + j < params.columns {
                    let value = sums[2u * r + h][j] + bias[column + j];
                    u[start + column + j] = Element(value);
                    c[start + column + j] = Element(gelu(value, params.gelu_form));
                }
            }
        }
    }
}

@compute @workgroup_size(REDUCE_LANES)
fn reduce(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let at = (group.y * groups.x + group.x) * REDUCE_LANES + lane;
    let count = params.batches * params.rows * params.columns;
    if at < count {
        var sum = 0.0;
        for (var split = 0u; split < params.splits; split++) {
            sum += wide[split * count + at];
        }
        c[at] = Element(sum);
    }
}
