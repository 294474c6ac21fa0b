// head_major — heads of some items as matrices side by side, from tensors in which the heads lie beside each other, and back.
//
// math      y_abtc = x_btac + β_ac for the heads a and items b of a chunk;  dx_btac = dy_abtc
// source    definition
// shapes    B items of T tokens, A heads of D channels; a chunk has C heads, E items and U tokens, counted from its first ones
// work      one lane per element of the chunk; dispatch (⌈U·D/LANES⌉, C, E)
// cost      2·C·E·U·D words, 3 with an addition into dx; one division an element, which emulated GPUs do lane by lane
// uses      shared/head_place.wgsl

struct Params {
    tokens: u32,       // T
    heads: u32,        // A
    width: u32,        // D
    first_head: u32,   // a of head 0 of the chunk
    first_item: u32,   // b of item 0 of the chunk
    some_items: u32,   // E
    first_token: u32,  // t of token 0 of the chunk
    some_tokens: u32,  // U
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;         // [B, T, A, D]
@group(0) @binding(2) var<storage, read> bias: array<f32>;      // [A, D]  β
@group(0) @binding(3) var<storage, read_write> y: array<f32>;   // [C, E, U, D]
@group(0) @binding(4) var<storage, read> dy: array<f32>;        // [C, E, U, D]
@group(0) @binding(5) var<storage, read_write> dx: array<f32>;  // [B, T, A, D]  the chunk's part

@compute @workgroup_size(LANES)
fn forward(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let place = place_of(group, lane, params.width);
    if place.exists {
        y[place.side_by_side] = x[place.beside];
    }
}

@compute @workgroup_size(LANES)
fn forward_biased(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let place = place_of(group, lane, params.width);
    if place.exists {
        y[place.side_by_side] = x[place.beside] + bias[place.channel];
    }
}

@compute @workgroup_size(LANES)
fn backward(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let place = place_of(group, lane, params.width);
    if place.exists {
        dx[place.beside] = dy[place.side_by_side];
    }
}

@compute @workgroup_size(LANES)
fn backward_add(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let place = place_of(group, lane, params.width);
    if place.exists {
        dx[place.beside] += dy[place.side_by_side];
    }
}
