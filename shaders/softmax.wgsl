// softmax — each row as a distribution, or as its logarithm.
//
// math      m = maxⱼ xⱼ,  Σ = Σⱼ exp(xⱼ − m)
//           softmax      y = exp(x − m) / Σ,       dx = y·(dy − ⟨y, dy⟩)
//           log softmax  y = x − m − log Σ,        dx = dy − exp(y)·Σⱼ dyⱼ
// source    definition
// shapes    N rows of C channels, row-major
// work      ROW_LANES lanes a row, which stride over C; dispatch ⌈N·ROW_LANES/LANES⌉ workgroups over x and y
// cost      forward moves 4·N·C words, backward 5·N·C; about 4·N·C FLOPs each way; two tree sums per row forward, one back
// numerics  exp sees x − m ≤ 0; the logarithm never passes through a weight that rounds to 0
// uses      shared/row_share.wgsl

struct Params {
    rows: u32,      // N
    channels: u32,  // C
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;        // [N, C]
@group(0) @binding(2) var<storage, read_write> y: array<f32>;  // [N, C]  kept for backward
@group(0) @binding(3) var<storage, read> dy: array<f32>;       // [N, C]
@group(0) @binding(4) var<storage, read_write> dx: array<f32>; // [N, C]

const LANES: u32 = 256u;
const LOWEST: f32 = -3.4028234e38;

// C, or 0 past the last row.
fn width_of(row: u32) -> u32 {
    return select(0u, params.channels, row < params.rows);
}

// m of the row that begins at `start`.
fn highest(start: u32, width: u32, lane: u32) -> f32 {
    var most = LOWEST;
    for (var c = lane % ROW_LANES; c < width; c += ROW_LANES) {
        most = max(most, x[start + c]);
    }
    return max_row(lane, most);
}

// Σ of the row that begins at `start`.
fn total(start: u32, width: u32, lane: u32, m: f32) -> f32 {
    var sum = 0.0;
    for (var c = lane % ROW_LANES; c < width; c += ROW_LANES) {
        sum += exp(x[start + c] - m);
    }
    return sum_row(lane, sum);
}

@compute @workgroup_size(LANES)
fn forward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = row_at(group, groups, lane);
    let width = width_of(row);
    let start = row * params.channels;
    let m = highest(start, width, lane);
    let sum = total(start, width, lane, m);
    for (var c = lane % ROW_LANES; c < width; c += ROW_LANES) {
        y[start + c] = exp(x[start + c] - m) / sum;
    }
}

@compute @workgroup_size(LANES)
fn backward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = row_at(group, groups, lane);
    let width = width_of(row);
    let start = row * params.channels;
    var products = 0.0;
    for (var c = lane % ROW_LANES; c < width; c += ROW_LANES) {
        products += y[start + c] * dy[start + c];
    }
    let along = sum_row(lane, products); // ⟨y, dy⟩
    for (var c = lane % ROW_LANES; c < width; c += ROW_LANES) {
        dx[start + c] = y[start + c] * (dy[start + c] - along);
    }
}

@compute @workgroup_size(LANES)
fn forward_log(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = row_at(group, groups, lane);
    let width = width_of(row);
    let start = row * params.channels;
    let m = highest(start, width, lane);
    let offset = log(total(start, width, lane, m));
    for (var c = lane % ROW_LANES; c < width; c += ROW_LANES) {
        y[start + c] = (x[start + c] - m) - offset;
    }
}

@compute @workgroup_size(LANES)
fn backward_log(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = row_at(group, groups, lane);
    let width = width_of(row);
    let start = row * params.channels;
    var slopes = 0.0;
    for (var c = lane % ROW_LANES; c < width; c += ROW_LANES) {
        slopes += dy[start + c];
    }
    let sum = sum_row(lane, slopes);
    for (var c = lane % ROW_LANES; c < width; c += ROW_LANES) {
        dx[start + c] = dy[start + c] - exp(y[start + c]) * sum;
    }
}
