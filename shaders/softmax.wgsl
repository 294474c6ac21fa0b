// softmax — each row as a distribution, or as its logarithm.
//
// math      m = maxⱼ xⱼ,  Σ = Σⱼ exp(xⱼ − m)
//           softmax      y = exp(x − m) / Σ,       dx = y·(dy − ⟨y, dy⟩)
//           log softmax  y = x − m − log Σ,        dx = dy − exp(y)·Σⱼ dyⱼ
// source    definition
// shapes    N rows of C channels, row-major
// work      one workgroup per row, LANES lanes stride over C; dispatch N groups spread over x and y
// cost      forward moves 4·N·C words, backward 5·N·C; about 4·N·C FLOPs each way; two tree sums per row forward, one back
// numerics  exp sees x − m ≤ 0; the logarithm never passes through a weight that rounds to 0
// uses      shared/lanes.wgsl

struct Params {
    rows: u32,      // N
    channels: u32,  // C
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;        // [N, C]
@group(0) @binding(2) var<storage, read_write> y: array<f32>;  // [N, C]  kept for backward
@group(0) @binding(3) var<storage, read> dy: array<f32>;       // [N, C]
@group(0) @binding(4) var<storage, read_write> dx: array<f32>; // [N, C]

const LOWEST: f32 = -3.4028234e38;

// m of the row that begins at `start`.
fn highest(start: u32, lane: u32) -> f32 {
    var most = LOWEST;
    for (var c = lane; c < params.channels; c += LANES) {
        most = max(most, x[start + c]);
    }
    return max_lanes(lane, most);
}

// Σ of the row that begins at `start`.
fn total(start: u32, lane: u32, m: f32) -> f32 {
    var sum = 0.0;
    for (var c = lane; c < params.channels; c += LANES) {
        sum += exp(x[start + c] - m);
    }
    return sum_lanes(lane, sum);
}

@compute @workgroup_size(LANES)
fn forward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = group.y * groups.x + group.x;
    if row >= params.rows {
        return;
    }
    let start = row * params.channels;
    let m = highest(start, lane);
    let sum = total(start, lane, m);
    for (var c = lane; c < params.channels; c += LANES) {
        y[start + c] = exp(x[start + c] - m) / sum;
    }
}

@compute @workgroup_size(LANES)
fn backward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = group.y * groups.x + group.x;
    if row >= params.rows {
        return;
    }
    let start = row * params.channels;
    var products = 0.0;
    for (var c = lane; c < params.channels; c += LANES) {
        products += y[start + c] * dy[start + c];
    }
    let along = sum_lanes(lane, products); // ⟨y, dy⟩
    for (var c = lane; c < params.channels; c += LANES) {
        dx[start + c] = y[start + c] * (dy[start + c] - along);
    }
}

@compute @workgroup_size(LANES)
fn forward_log(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = group.y * groups.x + group.x;
    if row >= params.rows {
        return;
    }
    let start = row * params.channels;
    let m = highest(start, lane);
    let offset = log(total(start, lane, m));
    for (var c = lane; c < params.channels; c += LANES) {
        y[start + c] = (x[start + c] - m) - offset;
    }
}

@compute @workgroup_size(LANES)
fn backward_log(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = group.y * groups.x + group.x;
    if row >= params.rows {
        return;
    }
    let start = row * params.channels;
    var slopes = 0.0;
    for (var c = lane; c < params.channels; c += LANES) {
        slopes += dy[start + c];
    }
    let sum = sum_lanes(lane, slopes);
    for (var c = lane; c < params.channels; c += LANES) {
        dx[start + c] = dy[start + c] - exp(y[start + c]) * sum;
    }
}
