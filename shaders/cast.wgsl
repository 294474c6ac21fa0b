// cast — the same numbers in another format: f32 in, f16 out, and back.
//
// math      y = round(x) to the nearest f16;  dx = dy, widened
// source    definition; Micikevicius et al. 2018, arXiv:1710.03740, §3.1: master weights in f32, a working copy in f16
// shapes    N elements
// work      a lane per quad; dispatch ⌈N/4/LANES⌉ workgroups over x and y
// cost      moves N words and N halves; no FLOPs
// numerics  relative error up to 2⁻¹¹ from 6.1e-5 to 65,504; what is larger becomes infinite, below the step is 6e-8
// uses      shared/quads.wgsl

struct Params {
    elements: u32,  // N
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;           // [N]
@group(0) @binding(2) var<storage, read_write> y: array<Element4>;  // [N]
@group(0) @binding(3) var<storage, read> dy: array<Element4>;       // [N]
@group(0) @binding(4) var<storage, read_write> dx: array<vec4f>;    // [N]

@compute @workgroup_size(LANES)
fn forward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = quad_index(group, groups, lane);
    if i < quads_of(params.elements) {
        y[i] = Element4(x[i]);
    }
}

@compute @workgroup_size(LANES)
fn backward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = quad_index(group, groups, lane);
    if i < quads_of(params.elements) {
        dx[i] = vec4f(dy[i]);
    }
}
