// head_major_vec4 — the same where heads have a multiple of four channels.
//
// math      as head_major
// variant   head_major
// source    definition
// shapes    as head_major; D is a multiple of 4
// work      one lane per quad of the chunk; dispatch (⌈U·D/(4·LANES)⌉, C, E)
// cost      as head_major; a division and an address for four words
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
@group(0) @binding(1) var<storage, read> x: array<vec4f>;         // [B, T, A, D]
@group(0) @binding(2) var<storage, read> bias: array<vec4f>;      // [A, D]  β
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;   // [C, E, U, D]
@group(0) @binding(4) var<storage, read> dy: array<vec4f>;        // [C, E, U, D]
@group(0) @binding(5) var<storage, read_write> dx: array<vec4f>;  // [B, T, A, D]  the chunk's part

@compute @workgroup_size(LANES)
fn forward(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let place = place_of(group, lane, params.width / 4u);
    if place.exists {
        y[place.side_by_side] = x[place.beside];
    }
}

@compute @workgroup_size(LANES)
fn forward_biased(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let place = place_of(group, lane, params.width / 4u);
    if place.exists {
        y[place.side_by_side] = x[place.beside] + bias[place.channel];
    }
}

@compute @workgroup_size(LANES)
fn backward(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let place = place_of(group, lane, params.width / 4u);
    if place.exists {
        dx[place.beside] = dy[place.side_by_side];
    }
}

@compute @workgroup_size(LANES)
fn backward_add(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let place = place_of(group, lane, params.width / 4u);
    if place.exists {
        dx[place.beside] += dy[place.side_by_side];
    }
}
