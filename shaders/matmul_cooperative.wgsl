// matmul_cooperative — the same products by the units that multiply small matrices (tensor cores, simdgroup matrices).
//
// math      as matmul
// variant   matmul
// source    definition; WGSL's cooperative matrices are an extension of wgpu 30, after VK_KHR_cooperative_matrix
// shapes    as matmul_vec4; what holds FRAGMENT × FRAGMENT elements is a fragment, and a subgroup owns it together
// work      one workgroup per tile of 8·FRAGMENT squared; each of four subgroups sums 4 × 4 fragments of it, in steps of
//           2·FRAGMENT along K; dispatch (⌈N/tile⌉, ⌈M/tile⌉, splits·B)
// cost      as matmul_vec4; a subgroup reads 8 fragments of workgroup memory for 16 products of fragments
// limits    fragments of Element summed in f32, four subgroups of LANES lanes at least; FRAGMENT, LANES and the types
//           Left, Right and Sum stand in front (engine/src/device/fragments.rs); at most 33 KiB of workgroup memory
// numerics  as matmul, but in which order a fragment sums is the adapter's affair
// uses      shared/gelu.wgsl, shared/matmul_blocks.wgsl

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
@group(0) @binding(3) var<storage, read> bias: array<vec4f>;        // [N]
@group(0) @binding(4) var<storage, read_write> c: array<Element4>;  // [B, M, N]
@group(0) @binding(5) var<storage, read_write> u: array<Element4>;  // [B, M, N] what GELU is applied to, kept for backward
@group(0) @binding(6) var<storage, read_write> wide: array<vec4f>;  // [splits, B, M, N] sums, f32 whatever an Element is

const TILE: u32 = 8u * FRAGMENT;
const TILE_INNER: u32 = 2u * FRAGMENT;
const PITCH: u32 = TILE + 8u;  // from one k to the next: other banks, and rows at multiples of 16 bytes
const BLOCKS: u32 = TILE / 4u * (TILE_INNER / 4u);  // of 4 × 4 in one operand's tile
const BLOCKS_A_LANE: u32 = (2u * BLOCKS + LANES - 1u) / LANES;
const STRIP: u32 = 4u * FRAGMENT;  // columns of a subgroup

var<workgroup> a_tile: array<Element, TILE_INNER * PITCH>;  // [k][row]
var<workgroup> b_tile: array<Element, TILE_INNER * PITCH>;  // [k][column]
var<workgroup> strips: array<f32, 4u * FRAGMENT * STRIP>;   // [subgroup][row][column], on the way out

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

// Adds to one row of a subgroup's fragments what one fragment of A gives with its four of B.
fn add_row(sums: ptr<function, array<Sum, 16>>, first: u32, left: Left, right: array<Right, 4>) {
    sums[first] = coopMultiplyAdd(left, right[0], sums[first]);
    sums[first + 1u] = coopMultiplyAdd(left, right[1], sums[first + 1u]);
    sums[first + 2u] = coopMultiplyAdd(left, right[2], sums[first + 2u]);
    sums[first + 3u] = coopMultiplyAdd(left, right[3], sums[first + 3u]);
}

// The 4 × 4 fragments that `part` of 0..4, a subgroup, sums over this group's share of K.
fn multiply(group: vec3u, lane: u32, part: u32, sums: ptr<function, array<Sum, 16>>) {
    let batch = group.z % params.batches;
    let first = group.z / params.batches * params.chunk;
    let end = min(first + params.chunk, params.inner);
    let down = part / 2u * STRIP;
    let across = part % 2u * STRIP;
    let pitch = PITCH;

    for (var k = first; k < end; k += TILE_INNER) {
        // Read everything before waiting for the subgroups that still multiply the step before.
        var blocks: array<mat4x4f, BLOCKS_A_LANE>;
        for (var i = 0u; i < BLOCKS_A_LANE; i++) {
            let block = i * LANES + lane;
            if block < BLOCKS {
                let at = place(block, TILE / 4u, params.a_inner == 1u);
                let row = group.y * TILE + 4u * at.x;
                blocks[i] = a_block(batch * params.a_batch, row, k + 4u * at.y, end);
            } else {
                let at = place(block - BLOCKS, TILE / 4u, params.b_inner == 1u);
                let column = group.x * TILE + 4u * at.x;
                blocks[i] = b_block(batch * params.b_batch, column, k + 4u * at.y, end);
            }
        }
        workgroupBarrier();
        for (var i = 0u; i < BLOCKS_A_LANE; i++) {
            let block = i * LANES + lane;
            let along_k = select(params.b_inner, params.a_inner, block < BLOCKS) == 1u;
            let at = place(block % BLOCKS, TILE / 4u, along_k);
            for (var j = 0u; j < 4u; j++) {
                for (var r = 0u; r < 4u; r++) {
                    let word = (4u * at.y + j) * PITCH + 4u * at.x + r;
                    if block < BLOCKS {
                        a_tile[word] = Element(blocks[i][j][r]);
                    } else if block < 2u * BLOCKS {
                        b_tile[word] = Element(blocks[i][j][r]);
                    }
                }
            }
        }
        workgroupBarrier();
        for (var kk = 0u; kk < TILE_INNER; kk += FRAGMENT) {
            let a_at = kk * PITCH + down;
            let b_at = kk * PITCH + across;
            let right = array<Right, 4>(
                coopLoadT<Right>(&b_tile[b_at], pitch),
                coopLoadT<Right>(&b_tile[b_at + FRAGMENT], pitch),
                coopLoadT<Right>(&b_tile[b_at + 2u * FRAGMENT], pitch),
                coopLoadT<Right>(&b_tile[b_at + 3u * FRAGMENT], pitch),
            );
            add_row(sums, 0u, coopLoad<Left>(&a_tile[a_at], pitch), right);
            add_row(sums, 4u, coopLoad<Left>(&a_tile[a_at + FRAGMENT], pitch), right);
            add_row(sums, 8u, coopLoad<Left>(&a_tile[a_at + 2u * FRAGMENT], pitch), right);
            add_row(sums, 12u, coopLoad<Left>(&a_tile[a_at + 3u * FRAGMENT], pitch), right);
        }
    }
}

// One of the four rows of every subgroup's fragments, to where lanes can read it.
fn park(subgroup: u32, sums: ptr<function, array<Sum, 16>>, row: u32) {
    workgroupBarrier();
    if subgroup < 4u {
        let at = subgroup * FRAGMENT * STRIP;
        let pitch = STRIP;
        switch row {
            case 0u: { park_four(at, pitch, sums[0], sums[1], sums[2], sums[3]); }
            case 1u: { park_four(at, pitch, sums[4], sums[5], sums[6], sums[7]); }
            case 2u: { park_four(at, pitch, sums[8], sums[9], sums[10], sums[11]); }
            default: { park_four(at, pitch, sums[12], sums[13], sums[14], sums[15]); }
        }
    }
    workgroupBarrier();
}

fn park_four(at: u32, pitch: u32, s0: Sum, s1: Sum, s2: Sum, s3: Sum) {
    let at_1 = at + FRAGMENT;
    let at_2 = at + 2u * FRAGMENT;
    let at_3 = at + 3u * FRAGMENT;
    coopStoreT(s0, &strips[at], pitch);
    coopStoreT(s1, &strips[at_1], pitch);
    coopStoreT(s2, &strips[at_2], pitch);
    coopStoreT(s3, &strips[at_3], pitch);
}

// A quad of what is parked: where it belongs in C and what it is.
struct Parked {
    inside: bool,
    column: u32,
    at: u32,  // words from the start of C
    value: vec4f,
}

fn parked(group: vec3u, quad: u32, row: u32) -> Parked {
    let part = quad / (FRAGMENT * FRAGMENT);
    let line = quad / FRAGMENT % FRAGMENT;
    let across = 4u * (quad % FRAGMENT);
    let i = group.y * TILE + part / 2u * STRIP + row * FRAGMENT + line;
    let j = group.x * TILE + part % 2u * STRIP + across;
    let word = 4u * quad;
    let value = vec4f(strips[word], strips[word + 1u], strips[word + 2u], strips[word + 3u]);
    let at = (group.z * params.rows + i) * params.columns + j;
    return Parked(i < params.rows && j < params.columns, j, at, value);
}

const QUADS: u32 = 4u * FRAGMENT * FRAGMENT;  // parked at a time

@compute @workgroup_size(LANES)
fn forward(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32, @builtin(subgroup_id) subgroup: u32) {
    var sums: array<Sum, 16>;
    multiply(group, lane, subgroup % 4u, &sums);
    for (var row = 0u; row < 4u; row++) {
        park(subgroup, &sums, row);
        for (var quad = lane; quad < QUADS; quad += LANES) {
            let out = parked(group, quad, row);
            if out.inside {
                c[out.at / 4u] = Element4(out.value);
            }
        }
    }
}

@compute @workgroup_size(LANES)
fn forward_wide(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32, @builtin(subgroup_id) subgroup: u32) {
    var sums: array<Sum, 16>;
    multiply(group, lane, subgroup % 4u, &sums);
    for (var row = 0u; row < 4u; row++) {
        park(subgroup, &sums, row);
        for (var quad = lane; quad < QUADS; quad += LANES) {
            let out = parked(group, quad, row);
            if out.inside {
                wide[out.at / 4u] = out.value;
            }
        }
    }
}

@compute @workgroup_size(LANES)
fn forward_bias(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32, @builtin(subgroup_id) subgroup: u32) {
    var sums: array<Sum, 16>;
    multiply(group, lane, subgroup % 4u, &sums);
    for (var row = 0u; row < 4u; row++) {
        park(subgroup, &sums, row);
        for (var quad = lane; quad < QUADS; quad += LANES) {
            let out = parked(group, quad, row);
            if out.inside {
                c[out.at / 4u] = Element4(out.value + bias[out.column / 4u]);
            }
        }
    }
}

@compute @workgroup_size(LANES)
fn forward_gelu(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32, @builtin(subgroup_id) subgroup: u32) {
    var sums: array<Sum, 16>;
    multiply(group, lane, subgroup % 4u, &sums);
    for (var row = 0u; row < 4u; row++) {
        park(subgroup, &sums, row);
        for (var quad = lane; quad < QUADS; quad += LANES) {
            let out = parked(group, quad, row);
            if out.inside {
                let value = out.value + bias[out.column / 4u];
                u[out.at / 4u] = Element4(value);
                c[out.at / 4u] = Element4(vec4f(
                    gelu(value.x, params.gelu_form),
                    gelu(value.y, params.gelu_form),
                    gelu(value.z, params.gelu_form),
                    gelu(value.w, params.gelu_form),
                ));
            }
        }
    }
}
