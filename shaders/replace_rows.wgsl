// replace_rows — put other values in some rows of a matrix, e.g. a sentence vector in front of its tokens.
//
// math      y[n] = values[slots[n]] where row n is replaced, x[n] elsewhere
//           dx[n] = 0 where row n is replaced, dy[n] elsewhere;  dvalues[r] = dy[rows[r]]
// source    definition; slots is the inverse of rows, built on the host
// shapes    x [N, H], values [R, H]; R distinct rows; slots [N] holds r with rows[r] = n, or NONE
// work      one lane per element of the result, dispatch spread over x and y
// cost      forward and backward_x move 2·N·H + N words, backward_values 2·R·H + R; no FLOPs

struct Params {
    rows_in: u32,        // N
    rows_replaced: u32,  // R
    channels: u32,       // H
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Element>;              // [N, H]
@group(0) @binding(2) var<storage, read> values: array<Element>;         // [R, H]
@group(0) @binding(3) var<storage, read> slots: array<u32>;          // [N]
@group(0) @binding(4) var<storage, read_write> y: array<Element>;        // [N, H]
@group(0) @binding(5) var<storage, read> dy: array<Element>;             // [N, H]
@group(0) @binding(6) var<storage, read> rows: array<u32>;           // [R]
@group(0) @binding(7) var<storage, read_write> dx: array<Element>;       // [N, H]
@group(0) @binding(8) var<storage, read_write> dvalues: array<Element>;  // [R, H]

const LANES: u32 = 64u;
const NONE: u32 = 0xFFFFFFFFu;

fn flat(group: vec3u, groups: vec3u, lane: u32) -> u32 {
    return (group.y * groups.x + group.x) * LANES + lane;
}

@compute @workgroup_size(LANES)
fn forward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let at = flat(group, groups, lane);
    if at < params.rows_in * params.channels {
        let slot = slots[at / params.channels];
        var value = 0.0;
        if slot == NONE {
            value = f32(x[at]);
        } else {
            value = f32(values[slot * params.channels + at % params.channels]);
        }
        y[at] = Element(value);
    }
}

@compute @workgroup_size(LANES)
fn backward_x(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let at = flat(group, groups, lane);
    if at < params.rows_in * params.channels {
        dx[at] = Element(select(0.0, f32(dy[at]), slots[at / params.channels] == NONE));
    }
}

@compute @workgroup_size(LANES)
fn backward_values(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let at = flat(group, groups, lane);
    if at < params.rows_replaced * params.channels {
        dvalues[at] = Element(f32(dy[rows[at / params.channels] * params.channels + at % params.channels]));
    }
}
