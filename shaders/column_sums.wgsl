// column_sums — add up the rows of a matrix: the gradient of a bias.
//
// math      y = Σₙ xₙ;  dxₙ = dy
// source    definition
// shapes    N rows of C channels, row-major; P strips of ⌈N/P⌉ rows
// work      strips: one lane per channel and strip, dispatch ⌈C/64⌉ groups over x and z, P over y; combine: one lane per
//           channel, ⌈C/64⌉ groups over x and z, adds the strips in order; backward: one lane per element
// cost      forward moves N·C + 2·P·C + C words, N·C FLOPs; backward N·C + C words
// numerics  rows are added in order within a strip, then strips: an error of (N/P + P)·2⁻²⁴ at most, relative to Σ|x|

struct Params {
    rows: u32,      // N
    channels: u32,  // C
    strip: u32,     // rows of one strip, ⌈N/P⌉
    strips: u32,    // P
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Element>;              // [N, C]
@group(0) @binding(2) var<storage, read_write> partials: array<f32>; // [P, C]
@group(0) @binding(3) var<storage, read> strip_sums: array<f32>;     // [P, C]
@group(0) @binding(4) var<storage, read_write> y: array<f32>;        // [C]
@group(0) @binding(5) var<storage, read> dy: array<f32>;             // [C]
@group(0) @binding(6) var<storage, read_write> dx: array<Element>;       // [N, C]

const LANES: u32 = 64u;

@compute @workgroup_size(LANES)
fn sum_strips(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let channel = (group.z * groups.x + group.x) * LANES + lane;
    if channel >= params.channels {
        return;
    }
    let end = min((group.y + 1u) * params.strip, params.rows);
    var sum = 0.0;
    for (var row = group.y * params.strip; row < end; row++) {
        sum += f32(x[row * params.channels + channel]);
    }
    partials[group.y * params.channels + channel] = sum;
}

@compute @workgroup_size(LANES)
fn combine(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let channel = (group.z * groups.x + group.x) * LANES + lane;
    if channel >= params.channels {
        return;
    }
    var sum = 0.0;
    for (var strip = 0u; strip < params.strips; strip++) {
        sum += strip_sums[strip * params.channels + channel];
    }
    y[channel] = sum;
}

@compute @workgroup_size(LANES)
fn backward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let at = (group.y * groups.x + group.x) * LANES + lane;
    if at < params.rows * params.channels {
        dx[at] = Element(dy[at % params.channels]);
    }
}
