// activation — the functions a layer may have between its matrices, besides gelu.
//
// math      relu y = max(x, 0),              dx = dy where y > 0, else 0
//           tanh y = (e²ˣ − 1)/(e²ˣ + 1),    dx = dy·(1 − y²)
//           silu y = x·σ(x),                 dx = dy·σ(x)·(1 + x·(1 − σ(x))),   σ(x) = 1/(1 + e⁻ˣ)
//           log1p_relu y = ln(1 + max(x, 0)),  dx = dy/(1 + x) where x > 0, else 0
// source    silu: Elfwing et al. 2017, arXiv:1702.03118, eq. 5; log1p_relu: Formal et al. 2021, arXiv:2107.05720, eq. 1
// shapes    n elements, as ⌈n/4⌉ quads
// work      a lane per quad; dispatch ⌈n/4/256⌉ workgroups over x and y
// cost      moves 2·n words forward, 3·n backward
// numerics  exp sees only negative arguments, so it never overflows; tanh by a polynomial near 0,
//           where 1 − e⁻²ˣ would cancel (Cephes tanhf); ln(1 + x) by one in x itself near 0, where 1 + x would
//           lose it, and without WGSL's log, whose error there is absolute (Cephes logf)
// uses      shared/quads.wgsl

struct Params {
    elements: u32,  // n
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Element4>;         // [n]
@group(0) @binding(2) var<storage, read_write> y: array<Element4>;   // [n]
@group(0) @binding(3) var<storage, read> dy: array<Element4>;        // [n]
@group(0) @binding(4) var<storage, read_write> dx: array<Element4>;  // [n]

// x + x³·P(x²) below 0.625, (1 − e⁻²ˣ)/(1 + e⁻²ˣ) of |x| above.
fn tanh4(x: vec4f) -> vec4f {
    let size = abs(x);
    let z = x * x;
    let p = (((-5.70498872745e-3 * z + 2.06390887954e-2) * z - 5.37397155531e-2) * z
        + 1.33314422036e-1) * z - 3.33332819422e-1;
    let e = exp(-2.0 * size);
    return select(sign(x) * (1.0 - e) / (1.0 + e), x + x * z * p, size < vec4f(0.625));
}

// σ(x), from the e of the negative side.
fn sigmoid(x: vec4f) -> vec4f {
    let e = exp(-abs(x));
    return select(e, vec4f(1.0), x >= vec4f(0.0)) / (1.0 + e);
}

// ln(1 + x) for x ≥ 0: 1 + x = 2ᵏ·(1 + z) with z in [√½ − 1, √2 − 1], where k = 0 is z = x exactly;
// ln(1 + z) = z − z²/2 + z³·P(z), and k·ln 2 in two parts.
fn log1p4(x: vec4f) -> vec4f {
    let bits = bitcast<vec4u>(1.0 + x);
    let k = (bits - 0x3F3504F3u) >> vec4u(23u); // from the bits of √½ on
    let z = select(bitcast<vec4f>(bits - (k << vec4u(23u))) - 1.0, x, k == vec4u(0u));
    let p = (((((((7.0376836292e-2 * z - 1.1514610310e-1) * z + 1.1676998740e-1) * z - 1.2420140846e-1) * z
        + 1.4249322787e-1) * z - 1.6668057665e-1) * z + 2.0000714765e-1) * z - 2.4999993993e-1) * z
        + 3.3333331174e-1;
    let f = vec4f(k);
    return z + (z * z * (z * p - 0.5) - 2.12194440e-4 * f) + 0.693359375 * f;
}

@compute @workgroup_size(LANES)
fn relu_forward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = quad_index(group, groups, lane);
    if i < quads_of(params.elements) {
        y[i] = Element4(max(vec4f(x[i]), vec4f(0.0)));
    }
}

@compute @workgroup_size(LANES)
fn relu_backward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = quad_index(group, groups, lane);
    if i < quads_of(params.elements) {
        dx[i] = Element4(select(vec4f(0.0), vec4f(dy[i]), vec4f(y[i]) > vec4f(0.0)));
    }
}

@compute @workgroup_size(LANES)
fn tanh_forward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = quad_index(group, groups, lane);
    if i < quads_of(params.elements) {
        y[i] = Element4(tanh4(vec4f(x[i])));
    }
}

@compute @workgroup_size(LANES)
fn tanh_backward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = quad_index(group, groups, lane);
    if i < quads_of(params.elements) {
        dx[i] = Element4(vec4f(dy[i]) * (1.0 - vec4f(y[i]) * vec4f(y[i])));
    }
}

@compute @workgroup_size(LANES)
fn silu_forward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = quad_index(group, groups, lane);
    if i < quads_of(params.elements) {
        y[i] = Element4(vec4f(x[i]) * sigmoid(vec4f(x[i])));
    }
}

@compute @workgroup_size(LANES)
fn silu_backward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = quad_index(group, groups, lane);
    if i < quads_of(params.elements) {
        let s = sigmoid(vec4f(x[i]));
        dx[i] = Element4(vec4f(dy[i]) * s * (1.0 + vec4f(x[i]) * (1.0 - s)));
    }
}

@compute @workgroup_size(LANES)
fn log1p_relu_forward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = quad_index(group, groups, lane);
    if i < quads_of(params.elements) {
        y[i] = Element4(log1p4(max(vec4f(x[i]), vec4f(0.0))));
    }
}

@compute @workgroup_size(LANES)
fn log1p_relu_backward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = quad_index(group, groups, lane);
    if i < quads_of(params.elements) {
        dx[i] = Element4(select(vec4f(0.0), vec4f(dy[i]) / (1.0 + vec4f(x[i])), vec4f(x[i]) > vec4f(0.0)));
    }
}
