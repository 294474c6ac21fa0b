// gather_rows — keep some rows of a matrix, e.g. the masked tokens.
//
// math      y[r] = x[rows[r]];  dx[n] = dy[slots[n]] where row n was kept, 0 elsewhere
// source    definition; slots is the inverse of rows, built on the host
// shapes    x [N, H]; R distinct rows; slots [N] holds r with rows[r] = n, or NONE
// work      one lane per element of the result, dispatch spread over x and y
// cost      forward moves 2·R·H + R words; backward R·H + N·H + N words; no FLOPs

struct Params {
    rows_in: u32,   // N
    rows_out: u32,  // R
    channels: u32,  // H
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Element>;         // [N, H]
@group(0) @binding(2) var<storage, read> rows: array<u32>;      // [R]
@group(0) @binding(3) var<storage, read_write> y: array<Element>;   // [R, H]
@group(0) @binding(4) var<storage, read> dy: array<Element>;        // [R, H]
@group(0) @binding(5) var<storage, read> slots: array<u32>;     // [N]
@group(0) @binding(6) var<storage, read_write> dx: array<Element>;  // [N, H]

const LANES: u32 = 64u;
const NONE: u32 = 0xFFFFFFFFu;

@compute @workgroup_size(LANES)
fn forward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let at = (group.y * groups.x + group.x) * LANES + lane;
    if at < params.rows_out * params.channels {
        y[at] = Element(f32(x[rows[at / params.channels] * params.channels + at % params.channels]));
    }
}

@compute @workgroup_size(LANES)
fn backward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let at = (group.y * groups.x + group.x) * LANES + lane;
    if at < params.rows_in * params.channels {
        let slot = slots[at / params.channels];
        var value = 0.0;
        if slot != NONE {
            value = f32(dy[slot * params.channels + at % params.channels]);
        }
        dx[at] = Element(value);
    }
}
