// l2_normalize — scale each row to unit length.
//
// math      n = max(‖x‖₂, ε),  y = x / n
//           dx = (dy − y·⟨y, dy⟩) / n   where ‖x‖₂ > ε,   dx = 0   elsewhere
// source    definition; the clamp is the one of torch.nn.functional.normalize, but for the gradient of a row at or
//           below ε, which is dy / ε there: a gain of 10¹² would end a training run, so it is 0 here
// shapes    N rows of C channels, row-major
// work      one workgroup per row, LANES lanes stride over C; dispatch N groups spread over x and y
// cost      forward moves 3·N·C words, backward 5·N·C; 3·N·C and 6·N·C FLOPs; one tree sum per row
// numerics  Σx² stays finite in f32 while |x| < 1e17; activations are far below
// uses      shared/lanes.wgsl

struct Params {
    rows: u32,      // N
    channels: u32,  // C
    epsilon: f32,   // ε, smallest length divided by
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;           // [N, C]
@group(0) @binding(2) var<storage, read_write> y: array<f32>;     // [N, C]
@group(0) @binding(3) var<storage, read_write> norm: array<f32>;  // [N]     n, kept for backward
@group(0) @binding(4) var<storage, read> dy: array<f32>;          // [N, C]
@group(0) @binding(5) var<storage, read_write> dx: array<f32>;    // [N, C]

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
    var squares = 0.0;
    for (var c = lane; c < params.channels; c += LANES) {
        let value = x[start + c];
        squares += value * value;
    }
    let n = max(sqrt(sum_lanes(lane, squares)), params.epsilon);
    for (var c = lane; c < params.channels; c += LANES) {
        y[start + c] = x[start + c] / n;
    }
    if lane == 0u {
        norm[row] = n;
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
    let n = norm[row];
    let gain = select(0.0, 1.0 / n, n > params.epsilon);
    for (var c = lane; c < params.channels; c += LANES) {
        dx[start + c] = (dy[start + c] - y[start + c] * along) * gain;
    }
}
