// reduce — the sum of all elements, times a factor: a sum or a mean.
//
// math      y = f·Σᵢ xᵢ,   dxᵢ = f·dy
// source    definition
// shapes    x and dx n elements, as ⌈n/4⌉ quads; y and dy one element
// work      partial_sums: a workgroup per chunk of 16,384 elements, dispatch P = ⌈n/16384⌉ over x and y;
//           total: one workgroup adds the P partial sums; backward: a lane per quad, dispatch ⌈n/4/256⌉ over x and y
// cost      moves n words forward, n backward; n FLOPs
// numerics  a lane adds 64 elements, a tree the lanes: the error grows with log n, not with n
// uses      shared/lanes.wgsl

struct Params {
    elements: u32,  // n
    partials: u32,  // P
    factor: f32,    // f
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;         // [n]
@group(0) @binding(2) var<storage, read_write> partials: array<f32>;  // [P]
@group(0) @binding(3) var<storage, read_write> y: array<f32>;         // [1]
@group(0) @binding(4) var<storage, read> dy: array<f32>;              // [1]
@group(0) @binding(5) var<storage, read_write> dx: array<vec4<f32>>;  // [n]

const CHUNK_QUADS: u32 = 4096u;

// Quad `i` with zeros past the last element.
fn load(i: u32) -> vec4f {
    return select(vec4f(0.0), x[i], 4u * i + vec4u(0u, 1u, 2u, 3u) < vec4u(params.elements));
}

@compute @workgroup_size(LANES)
fn partial_sums(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let chunk = group.y * groups.x + group.x;
    if chunk >= params.partials {
        return;
    }
    let first = chunk * CHUNK_QUADS;
    let end = min(first + CHUNK_QUADS, (params.elements + 3u) / 4u);
    var sum = vec4f();
    for (var i = first + lane; i < end; i += LANES) {
        sum += load(i);
    }
    let total = sum_lanes(lane, (sum.x + sum.y) + (sum.z + sum.w));
    if lane == 0u {
        partials[chunk] = total;
    }
}

@compute @workgroup_size(LANES)
fn total(@builtin(local_invocation_index) lane: u32) {
    var sum = 0.0;
    for (var i = lane; i < params.partials; i += LANES) {
        sum += partials[i];
    }
    let total = sum_lanes(lane, sum);
    if lane == 0u {
        y[0] = params.factor * total;
    }
}

@compute @workgroup_size(LANES)
fn backward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = (group.y * groups.x + group.x) * LANES + lane;
    if i < (params.elements + 3u) / 4u {
        dx[i] = vec4f(params.factor * dy[0]);
    }
}
