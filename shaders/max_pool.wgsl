// max_pool — the largest of the visible tokens of each text, channel by channel.
//
// math      y[b] = max_{t < length[b]} x[b, t],  a[b] the lowest t that reaches it,   dx[b, t] = dy[b] where t = a[b], else 0
// source    Reimers & Gurevych 2019, arXiv:1908.10084, §3, the MAX strategy
// shapes    x [B, T, H], length [B], y and a [B, H]; a text of length 0 gives 0 and a = NONE
// work      forward: a lane per channel of a text, dispatch (⌈H/64⌉, B, 1); backward: a lane per channel of a
//           token, dispatch (⌈H/64⌉, T, B)
// cost      moves at most B·T·H words each way
// numerics  comparisons alone; a NaN in the first token stays, one in a later token is passed over

struct Params {
    texts: u32,     // B
    tokens: u32,    // T
    channels: u32,  // H
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Element>;             // [B, T, H]
@group(0) @binding(2) var<storage, read> lengths: array<u32>;           // [B]     visible tokens
@group(0) @binding(3) var<storage, read_write> y: array<f32>;           // [B, H]
@group(0) @binding(4) var<storage, read_write> positions: array<u32>;   // [B, H]  a
@group(0) @binding(5) var<storage, read> dy: array<f32>;                // [B, H]
@group(0) @binding(6) var<storage, read_write> dx: array<Element>;      // [B, T, H]

const LANES: u32 = 64u;
const NONE: u32 = 0xFFFFFFFFu;

@compute @workgroup_size(LANES)
fn forward(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let c = group.x * LANES + lane;
    if c >= params.channels {
        return;
    }
    let text = group.y;
    let length = min(lengths[text], params.tokens);
    let start = text * params.tokens * params.channels + c;
    var highest = f32(x[start]);
    var position = 0u;
    for (var t = 1u; t < length; t++) {
        let value = f32(x[start + t * params.channels]);
        if value > highest {
            highest = value;
            position = t;
        }
    }
    y[text * params.channels + c] = select(highest, 0.0, length == 0u);
    positions[text * params.channels + c] = select(position, NONE, length == 0u);
}

@compute @workgroup_size(LANES)
fn backward(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let c = group.x * LANES + lane;
    if c >= params.channels {
        return;
    }
    let pooled = group.z * params.channels + c;
    let share = select(0.0, dy[pooled], positions[pooled] == group.y);
    dx[(group.z * params.tokens + group.y) * params.channels + c] = Element(share);
}
