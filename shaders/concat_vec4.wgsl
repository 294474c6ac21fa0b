// concat_vec4 — concat in whole quads: a quarter of the loads and of the divisions.
//
// math      as shaders/concat.wgsl
// variant   concat
// source    as shaders/concat.wgsl
// shapes    as shaders/concat.wgsl, with P, W and F multiples of 4
// work      a lane per quad of what is written (join: of the part); dispatch ⌈quads/256⌉ workgroups over x and y
// cost      as shaders/concat.wgsl
// numerics  as shaders/concat.wgsl

struct Params {
    outer: u32,        // O
    part_words: u32,   // P
    whole_words: u32,  // W
    first: u32,        // F
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> part: array<vec4<u32>>;          // [O, P]
@group(0) @binding(2) var<storage, read_write> joined: array<vec4<u32>>;  // [O, W]
@group(0) @binding(3) var<storage, read> whole: array<vec4<u32>>;         // [O, W]
@group(0) @binding(4) var<storage, read_write> taken: array<vec4<u32>>;   // [O, P]

const LANES: u32 = 256u;

// Where the quad `at` of the part lies in the whole.
fn place(at: u32) -> u32 {
    let quads = params.part_words / 4u;
    return at / quads * (params.whole_words / 4u) + params.first / 4u + at % quads;
}

@compute @workgroup_size(LANES)
fn join(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let at = (group.y * groups.x + group.x) * LANES + lane;
    if at < params.outer * (params.part_words / 4u) {
        joined[place(at)] = part[at];
    }
}

@compute @workgroup_size(LANES)
fn take(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let at = (group.y * groups.x + group.x) * LANES + lane;
    if at < params.outer * (params.part_words / 4u) {
        taken[at] = whole[place(at)];
    }
}

@compute @workgroup_size(LANES)
fn spread(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let at = (group.y * groups.x + group.x) * LANES + lane;
    let whole_quads = params.whole_words / 4u;
    if at >= params.outer * whole_quads {
        return;
    }
    let part_quads = params.part_words / 4u;
    let first = params.first / 4u;
    let column = at % whole_quads;
    var quad = vec4u(0u);
    if column >= first && column - first < part_quads {
        quad = part[at / whole_quads * part_quads + column - first];
    }
    joined[at] = quad;
}
