// gelu — the Gaussian error linear unit, element by element.
//
// math      y = gelu(x),  dx = dy ⊙ gelu′(x), both forms as in shaders/shared/gelu.wgsl
// source    Hendrycks & Gimpel 2016, arXiv:1606.08415, §2
// shapes    n elements, as ⌈n/4⌉ quads
// work      a lane per quad; dispatch ⌈n/4/256⌉ workgroups over x and y
// cost      moves 2·n words forward, 3·n backward; about 25·n FLOPs
// uses      shared/quads.wgsl, shared/gelu.wgsl

struct Params {
    elements: u32,  // n
    form: u32,      // 0 erf, 1 tanh
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Element4>;         // [n]
@group(0) @binding(2) var<storage, read_write> y: array<Element4>;   // [n]
@group(0) @binding(3) var<storage, read> dy: array<Element4>;        // [n]
@group(0) @binding(4) var<storage, read_write> dx: array<Element4>;  // [n]

@compute @workgroup_size(LANES)
fn forward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = quad_index(group, groups, lane);
    if i < quads_of(params.elements) {
        let v = vec4f(x[i]);
        let f = params.form;
        y[i] = Element4(vec4f(gelu(v.x, f), gelu(v.y, f), gelu(v.z, f), gelu(v.w, f)));
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
        let v = vec4f(x[i]);
        let f = params.form;
        dx[i] = Element4(vec4f(dy[i]) * vec4f(
            gelu_slope(v.x, f), gelu_slope(v.y, f), gelu_slope(v.z, f), gelu_slope(v.w, f),
        ));
    }
}
