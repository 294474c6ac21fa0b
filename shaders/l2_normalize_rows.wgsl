// l2_normalize_rows — l2_normalize for software adapters, where a barrier costs more than a walk along a row.
//
// math      as shaders/l2_normalize.wgsl
// variant   l2_normalize
// source    as shaders/l2_normalize.wgsl
// shapes    N rows of C channels as Q = C/4 quads, row-major
// work      one lane a row, no workgroup memory and no barrier; dispatch ⌈N/32⌉ workgroups over x and y
// cost      as shaders/l2_normalize.wgsl

struct Params {
    rows: u32,      // N
    channels: u32,  // C
    epsilon: f32,   // ε, smallest length divided by
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;         // [N, C]
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>;   // [N, C]
@group(0) @binding(3) var<storage, read_write> norm: array<f32>;      // [N]     n, kept for backward
@group(0) @binding(4) var<storage, read> dy: array<vec4<f32>>;        // [N, C]
@group(0) @binding(5) var<storage, read_write> dx: array<vec4<f32>>;  // [N, C]

const LANES: u32 = 32u;

fn sum_vec4(value: vec4f) -> f32 {
    return (value.x + value.y) + (value.z + value.w);
}

@compute @workgroup_size(LANES)
fn forward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = (group.y * groups.x + group.x) * LANES + lane;
    if row >= params.rows {
        return;
    }
    let quads = params.channels / 4u;
    let start = row * quads;
    var squares = vec4f();
    for (var q = 0u; q < quads; q++) {
        squares += x[start + q] * x[start + q];
    }
    let n = max(sqrt(sum_vec4(squares)), params.epsilon);
    for (var q = 0u; q < quads; q++) {
        y[start + q] = x[start + q] / n;
    }
    norm[row] = n;
}

@compute @workgroup_size(LANES)
fn backward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = (group.y * groups.x + group.x) * LANES + lane;
    if row >= params.rows {
        return;
    }
    let quads = params.channels / 4u;
    let start = row * quads;
    var products = vec4f();
    for (var q = 0u; q < quads; q++) {
        products += y[start + q] * dy[start + q];
    }
    let along = sum_vec4(products); // ⟨y, dy⟩
    let n = norm[row];
    let gain = select(0.0, 1.0 / n, n > params.epsilon);
    for (var q = 0u; q < quads; q++) {
        dx[start + q] = (dy[start + q] - y[start + q] * along) * gain;
    }
}
