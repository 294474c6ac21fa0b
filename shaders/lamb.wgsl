// lamb — one step of LAMB, in place, over an arena: AdamW's direction, as long as its tensor is.
//
// math      ĝ = clip·g,   m ← β₁m + (1 − β₁)ĝ,   v ← β₂v + (1 − β₂)ĝ²
//           u = (m/(1 − β₁ᵗ)) / (√v/√(1 − β₂ᵗ) + ε) + λ·w,   without λ·w where w does not decay
//           q = ‖w‖/‖u‖ over each tensor, 1 where either is 0;   w ← w − η·q·u
// source    You et al. 2020, arXiv:1904.00962, algorithm 2, with φ(x) = x
// shapes    w, g, m, v: arenas of whole quads; K chunks of at most 16,384 words of one of S tensors, in the arena's order
// work      moments and apply: a workgroup per chunk, dispatch K groups over x and y; trust: one per tensor, dispatch S.
//           moments moves m and v and sums along each chunk, trust adds the chunks of a tensor in their order
// cost      moves 10 words a parameter; about 30 FLOPs
// numerics  a step whose gradient is not finite changes nothing, and the host need not know; u is computed a second time
//           by apply rather than kept, from the same words
// uses      shared/lanes.wgsl

struct Params {
    chunks: u32,   // K
    tensors: u32,  // S
    beta2: f32,    // β₂
    gain1: f32,    // 1 − β₁, rounded once
    gain2: f32,    // 1 − β₂
    epsilon: f32,  // ε
    decay: f32,    // λ
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> rates: array<f32>;                      // [3]      η, 1/(1 − β₁ᵗ), √(1 − β₂ᵗ) of this step
@group(0) @binding(2) var<storage, read> state: array<f32>;                      // [3]      ‖g‖, clip, finite
@group(0) @binding(3) var<storage, read> chunks: array<vec4<u32>>;               // [K, 4]   first word, one past the last, tensor, 1 if it decays
@group(0) @binding(4) var<storage, read> gradient: array<vec4<f32>>;             // [words]  g
@group(0) @binding(5) var<storage, read_write> values: array<vec4<f32>>;         // [words]  w
@group(0) @binding(6) var<storage, read_write> first_moment: array<vec4<f32>>;   // [words]  m
@group(0) @binding(7) var<storage, read_write> second_moment: array<vec4<f32>>;  // [words]  v
@group(0) @binding(8) var<storage, read_write> partials: array<vec2<f32>>;       // [K, 2]   Σw² and Σu² of each chunk
@group(0) @binding(9) var<storage, read> spans: array<vec2<u32>>;                // [S, 2]   first chunk and number of chunks
@group(0) @binding(10) var<storage, read_write> ratios: array<f32>;              // [S]      q

// u of one quad; `pull` is λ, or 0 where the tensor does not decay.
fn direction(m: vec4f, v: vec4f, w: vec4f, pull: f32) -> vec4f {
    return m * rates[1] / (sqrt(v) / rates[2] + params.epsilon) + pull * w;
}

// `value` without the words of the quad that lie past `end`, which belong to no tensor.
fn within(quad: u32, end: u32, value: vec4f) -> vec4f {
    return select(vec4f(0.0), value, 4u * quad + vec4u(0u, 1u, 2u, 3u) < vec4u(end));
}

fn pull_of(chunk: vec4u) -> f32 {
    return select(0.0, params.decay, chunk.w == 1u);
}

@compute @workgroup_size(LANES)
fn moments(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let at = group.y * groups.x + group.x;
    if at >= params.chunks {
        return;
    }
    let chunk = chunks[at];
    let pull = pull_of(chunk);
    let quads = (chunk.y + 3u) / 4u;
    let is_finite = state[2] != 0.0;
    var squares_w = 0.0;
    var squares_u = 0.0;
    for (var i = chunk.x / 4u + lane; i < quads; i += LANES) {
        let g = state[1] * gradient[i];
        let m = first_moment[i] + params.gain1 * (g - first_moment[i]);
        let v = params.beta2 * second_moment[i] + params.gain2 * g * g;
        if is_finite {
            first_moment[i] = m;
            second_moment[i] = v;
        }
        let w = within(i, chunk.y, values[i]);
        let u = within(i, chunk.y, direction(m, v, w, pull));
        squares_w += dot(w, w);
        squares_u += dot(u, u);
    }
    let total_w = sum_lanes(lane, squares_w);
    let total_u = sum_lanes(lane, squares_u);
    if lane == 0u {
        partials[at] = vec2f(total_w, total_u);
    }
}

@compute @workgroup_size(LANES)
fn trust(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let tensor = group.y * groups.x + group.x;
    if tensor >= params.tensors {
        return;
    }
    let span = spans[tensor];
    var squares = vec2f();
    for (var i = lane; i < span.y; i += LANES) {
        squares += partials[span.x + i];
    }
    let length_w = sqrt(sum_lanes(lane, squares.x));
    let length_u = sqrt(sum_lanes(lane, squares.y));
    if lane == 0u {
        let both = length_w > 0.0 && length_u > 0.0;
        ratios[tensor] = select(1.0, length_w / select(1.0, length_u, both), both);
    }
}

@compute @workgroup_size(LANES)
fn apply(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let at = group.y * groups.x + group.x;
    if at >= params.chunks || state[2] == 0.0 {
        return;
    }
    let chunk = chunks[at];
    let pull = pull_of(chunk);
    let length = rates[0] * ratios[chunk.z];
    let quads = (chunk.y + 3u) / 4u;
    for (var i = chunk.x / 4u + lane; i < quads; i += LANES) {
        let w = values[i];
        let u = direction(first_moment[i], second_moment[i], w, pull);
        values[i] = w - within(i, chunk.y, length * u);
    }
}
