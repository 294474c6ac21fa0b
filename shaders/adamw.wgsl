// adamw — one step of Adam with decoupled weight decay, in place, over an arena of parameters.
//
// math      ĝ = clip·g,   m ← β₁m + (1 − β₁)ĝ,   v ← β₂v + (1 − β₂)ĝ²
//           w ← w·(1 − η·λ) where w decays,   w ← w − η/(1 − β₁ᵗ) · m / (√v/√(1 − β₂ᵗ) + ε)
// source    Loshchilov & Hutter 2019, arXiv:1711.05101, algorithm 2, in the order of torch.optim.AdamW
// shapes    w, g, m, v: arenas of whole quads; decay: a bit per block of 64 words, parameters begin at such blocks
// work      a lane per quad; dispatch ⌈words/4/256⌉ workgroups over x and y
// cost      moves 7 words a parameter; about 15 FLOPs
// numerics  a step whose gradient is not finite changes nothing, and the host need not know
// uses      shared/quads.wgsl

struct Params {
    words: u32,    // of this arena, a multiple of 4
    beta2: f32,    // β₂
    gain1: f32,    // 1 − β₁, rounded once: 1 − 0.999 in f32 would be off by 5e-5
    gain2: f32,    // 1 − β₂
    epsilon: f32,  // ε
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> rates: array<f32>;                       // [3]      1 − ηλ, η/(1 − β₁ᵗ), √(1 − β₂ᵗ) of this step
@group(0) @binding(2) var<storage, read> state: array<f32>;                       // [3]      ‖g‖, clip, finite
@group(0) @binding(3) var<storage, read> decay: array<u32>;                       // [words/2048]  one bit a block of 64 words
@group(0) @binding(4) var<storage, read> gradient: array<vec4<f32>>;              // [words]  g
@group(0) @binding(5) var<storage, read_write> values: array<vec4<f32>>;          // [words]  w
@group(0) @binding(6) var<storage, read_write> first_moment: array<vec4<f32>>;    // [words]  m
@group(0) @binding(7) var<storage, read_write> second_moment: array<vec4<f32>>;   // [words]  v

const BLOCK_QUADS: u32 = 16u;

@compute @workgroup_size(LANES)
fn step(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = quad_index(group, groups, lane);
    if i >= params.words / 4u || state[2] == 0.0 {
        return;
    }
    let block = i / BLOCK_QUADS;
    let decays = (decay[block / 32u] >> (block % 32u)) & 1u;
    let keep = select(1.0, rates[0], decays == 1u);

    let g = state[1] * gradient[i];
    let m = first_moment[i] + params.gain1 * (g - first_moment[i]);
    let v = params.beta2 * second_moment[i] + params.gain2 * g * g;
    let denominator = sqrt(v) / rates[2] + params.epsilon;
    values[i] = keep * values[i] - rates[1] * m / denominator;
    first_moment[i] = m;
    second_moment[i] = v;
}
