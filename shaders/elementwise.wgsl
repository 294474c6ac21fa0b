// elementwise — differences, products and multiples of tensors of one shape.
//
// math      subtract y = a − b,  multiply y = a ⊙ b,
//           scale y = f·a,  add_scaled y = a + f·b,  assign t = f·a,  accumulate t ← t + f·a
// source    definition
// shapes    n elements, as ⌈n/4⌉ quads; what lies past n in the last quad of t is zeroed by assign and kept by accumulate
// work      a lane per quad; dispatch ⌈n/4/256⌉ workgroups over x and y
// cost      moves 3·n words (scale and assign 2·n)
// uses      shared/quads.wgsl

struct Params {
    elements: u32,  // n
    factor: f32,    // f
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<vec4<f32>>;            // [n]
@group(0) @binding(2) var<storage, read> b: array<vec4<f32>>;            // [n]
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>;      // [n]
@group(0) @binding(4) var<storage, read_write> total: array<vec4<f32>>;  // [n]  t

@compute @workgroup_size(LANES)
fn subtract(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = quad_index(group, groups, lane);
    if i < quads_of(params.elements) {
        y[i] = a[i] - b[i];
    }
}

@compute @workgroup_size(LANES)
fn multiply(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = quad_index(group, groups, lane);
    if i < quads_of(params.elements) {
        y[i] = a[i] * b[i];
    }
}

@compute @workgroup_size(LANES)
fn scale(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = quad_index(group, groups, lane);
    if i < quads_of(params.elements) {
        y[i] = params.factor * a[i];
    }
}

@compute @workgroup_size(LANES)
fn add_scaled(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = quad_index(group, groups, lane);
    if i < quads_of(params.elements) {
        y[i] = a[i] + params.factor * b[i];
    }
}

@compute @workgroup_size(LANES)
fn assign(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = quad_index(group, groups, lane);
    if i < quads_of(params.elements) {
        total[i] = select(vec4f(0.0), params.factor * a[i], inside(i, params.elements));
    }
}

@compute @workgroup_size(LANES)
fn accumulate(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = quad_index(group, groups, lane);
    if i < quads_of(params.elements) {
        total[i] += select(vec4f(0.0), params.factor * a[i], inside(i, params.elements));
    }
}
