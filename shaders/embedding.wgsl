// embedding — look up rows of a table; gradients go back to them without atomics.
//
// math      y[n] = table[ids[n]];  dtable[v] = Σ over n with ids[n] = v of dy[n], in the order of n; 0 where there is none
// source    definition; the sorted index is built on the host, where the ids come from
// shapes    table [V, H], N ids. The index: positions [N] sorted by (id, position), without those of a padding id;
//           segments [N], one a distinct id: (id, first in positions, one past the last, first piece or NONE), then
//           ids NONE; pieces [P]: long segments cut every 64, (first in positions, one past the last), then (0, 0)
// work      forward: one lane per element; backward_pieces: one group per piece, lanes stride over H, dispatch (P, 1, 1);
//           backward: one group per row of the table finds its segment by bisection, dispatch V spread over x and y
// cost      forward moves 2·N·H + N words; backward N·H + V·H words, and 2·P·H for the pieces; N·H FLOPs

struct Params {
    rows: u32,        // N
    channels: u32,    // H
    table_rows: u32,  // V
    pieces: u32,      // P
    piece: u32,       // positions of one piece
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> table: array<f32>;             // [V, H]
@group(0) @binding(2) var<storage, read> ids: array<u32>;               // [N]
@group(0) @binding(3) var<storage, read_write> y: array<f32>;           // [N, H]
@group(0) @binding(4) var<storage, read> dy: array<f32>;                // [N, H]
@group(0) @binding(5) var<storage, read> positions: array<u32>;         // [N]
@group(0) @binding(6) var<storage, read> segments: array<vec4u>;        // [N, 4]
@group(0) @binding(7) var<storage, read> pieces: array<vec2u>;          // [P, 2]
@group(0) @binding(8) var<storage, read_write> partials: array<f32>;    // [P, H]
@group(0) @binding(9) var<storage, read> piece_sums: array<f32>;        // [P, H]
@group(0) @binding(10) var<storage, read_write> dtable: array<f32>;     // [V, H]

const LANES: u32 = 64u;
const NONE: u32 = 0xFFFFFFFFu;

@compute @workgroup_size(LANES)
fn forward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let at = (group.y * groups.x + group.x) * LANES + lane;
    if at < params.rows * params.channels {
        let row = at / params.channels;
        y[at] = table[ids[row] * params.channels + at % params.channels];
    }
}

// Σ of dy[positions[i]] in one channel, i from `first` to `end`.
fn sum_positions(first: u32, end: u32, channel: u32) -> f32 {
    var sum = 0.0;
    for (var i = first; i < end; i++) {
        sum += dy[positions[i] * params.channels + channel];
    }
    return sum;
}

@compute @workgroup_size(LANES)
fn backward_pieces(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let piece = pieces[group.x];
    for (var channel = lane; channel < params.channels; channel += LANES) {
        partials[group.x * params.channels + channel] = sum_positions(piece.x, piece.y, channel);
    }
}

// The segment of `id`, empty if it has none.
fn find_segment(id: u32) -> vec4u {
    var low = 0u;
    var high = params.rows;
    while low < high {
        let middle = (low + high) / 2u;
        if segments[middle].x < id {
            low = middle + 1u;
        } else {
            high = middle;
        }
    }
    if low < params.rows {
        let segment = segments[low];
        if segment.x == id {
            return segment;
        }
    }
    return vec4u(id, 0u, 0u, NONE);
}

@compute @workgroup_size(LANES)
fn backward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = group.y * groups.x + group.x;
    if row >= params.table_rows {
        return;
    }
    let segment = find_segment(row);
    for (var channel = lane; channel < params.channels; channel += LANES) {
        var sum = 0.0;
        if segment.w == NONE {
            sum = sum_positions(segment.y, segment.z, channel);
        } else {
            let count = (segment.z - segment.y + params.piece - 1u) / params.piece;
            for (var i = 0u; i < count; i++) {
                sum += piece_sums[(segment.w + i) * params.channels + channel];
            }
        }
        dtable[row * params.channels + channel] = sum;
    }
}
