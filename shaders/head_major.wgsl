// head_major — heads of some items as matrices side by side, from tensors in which the heads lie beside each other, and back.
//
// math      y_abtc = x_btac + β_ac for the heads a and items b of a chunk;  dx_btac = dy_abtc
// source    definition
// shapes    B items of T tokens, A heads of D channels; a chunk has C heads and E items, counted from its first ones
// work      one lane per element of the chunk; dispatch ⌈C·E·T·D/LANES⌉ workgroups over x and y
// cost      2·C·E·T·D words, 3 with an addition into dx

struct Params {
    tokens: u32,      // T
    heads: u32,       // A
    width: u32,       // D
    first_head: u32,  // a of head 0 of the chunk
    some_heads: u32,  // C
    first_item: u32,  // b of item 0 of the chunk
    some_items: u32,  // E
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;         // [B, T, A, D]
@group(0) @binding(2) var<storage, read> bias: array<f32>;      // [A, D]  β
@group(0) @binding(3) var<storage, read_write> y: array<f32>;   // [C, E, T, D]
@group(0) @binding(4) var<storage, read> dy: array<f32>;        // [C, E, T, D]
@group(0) @binding(5) var<storage, read_write> dx: array<f32>;  // [B, T, A, D]  the chunk's part

const LANES: u32 = 256u;

fn elements() -> u32 {
    return params.some_heads * params.some_items * params.tokens * params.width;
}

// The element of the chunk that this lane moves.
fn element_of(group: vec3u, groups: vec3u, lane: u32) -> u32 {
    return (group.y * groups.x + group.x) * LANES + lane;
}

fn head_of(element: u32) -> u32 {
    return params.first_head + element / (params.some_items * params.tokens * params.width);
}

// Where `element` lies in [B, T, A, D].
fn beside(element: u32) -> u32 {
    let c = element % params.width;
    let t = element / params.width % params.tokens;
    let b = params.first_item + element / (params.width * params.tokens) % params.some_items;
    return ((b * params.tokens + t) * params.heads + head_of(element)) * params.width + c;
}

@compute @workgroup_size(LANES)
fn forward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let element = element_of(group, groups, lane);
    if element < elements() {
        y[element] = x[beside(element)];
    }
}

@compute @workgroup_size(LANES)
fn forward_biased(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let element = element_of(group, groups, lane);
    if element < elements() {
        let c = element % params.width;
        y[element] = x[beside(element)] + bias[head_of(element) * params.width + c];
    }
}

@compute @workgroup_size(LANES)
fn backward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let element = element_of(group, groups, lane);
    if element < elements() {
        dx[beside(element)] = dy[element];
    }
}

@compute @workgroup_size(LANES)
fn backward_add(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let element = element_of(group, groups, lane);
    if element < elements() {
        dx[beside(element)] += dy[element];
    }
}
