// mean_pool — the mean of the visible tokens of each text.
//
// math      y[b] = Σ_{t < length[b]} x[b, t] / max(length[b], 1e-9),   dx[b, t] = dy[b] / length[b] where t < length[b], else 0
// source    Reimers & Gurevych 2019, arXiv:1908.10084, §3; the clamp is the one of sentence-transformers' Pooling
// shapes    x [B, T, H], length [B], y [B, H]; a text of length 0 gives 0
// work      forward: a lane per channel of a text, dispatch (⌈H/64⌉, B, 1); backward: a lane per channel of a
//           token, dispatch (⌈H/64⌉, T, B)
// cost      moves at most B·T·H words each way

struct Params {
    texts: u32,     // B
    tokens: u32,    // T
    channels: u32,  // H
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Element>;         // [B, T, H]
@group(0) @binding(2) var<storage, read> lengths: array<u32>;   // [B]     visible tokens
@group(0) @binding(3) var<storage, read_write> y: array<f32>;   // [B, H]
@group(0) @binding(4) var<storage, read> dy: array<f32>;        // [B, H]
@group(0) @binding(5) var<storage, read_write> dx: array<Element>;  // [B, T, H]

const LANES: u32 = 64u;

@compute @workgroup_size(LANES)
fn forward(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let c = group.x * LANES + lane;
    if c >= params.channels {
        return;
    }
    let text = group.y;
    let length = min(lengths[text], params.tokens);
    let start = text * params.tokens * params.channels + c;
    var sum = 0.0;
    for (var t = 0u; t < length; t++) {
        sum += f32(x[start + t * params.channels]);
    }
    y[text * params.channels + c] = sum / max(f32(length), 1e-9);
}

@compute @workgroup_size(LANES)
fn backward(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let c = group.x * LANES + lane;
    if c >= params.channels {
        return;
    }
    let text = group.z;
    let length = min(lengths[text], params.tokens);
    let share = dy[text * params.channels + c] / max(f32(length), 1.0);
    dx[(text * params.tokens + group.y) * params.channels + c] = Element(select(0.0, share, group.y < length));
}
