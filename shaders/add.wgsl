// add — the sum of two tensors of one shape.
//
// math      y = a + b;  da = dy,  db = dy
// source    definition
// shapes    N elements, read as N/4 vec4s; the last vec4 may reach past N into the padding of its buffer
// work      one lane per vec4; dispatch ⌈N/4/LANES⌉ workgroups over x and y
// cost      moves 3·N words, N FLOPs

struct Params {
    quads: u32,  // ⌈N/4⌉
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<Element4>;        // [N]
@group(0) @binding(2) var<storage, read> b: array<Element4>;        // [N]
@group(0) @binding(3) var<storage, read_write> y: array<Element4>;  // [N]

const LANES: u32 = 256u;

@compute @workgroup_size(LANES)
fn forward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = (group.y * groups.x + group.x) * LANES + lane;
    if i < params.quads {
        y[i] = Element4(vec4f(a[i]) + vec4f(b[i]));
    }
}
