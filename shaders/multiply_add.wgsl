// multiply_add — multiply-adds that need nothing but registers: how fast a device can multiply at all.
//
// math      y_i = Σ_c x_{i,c,N} over 12 chains c,  x_{i,c,n+1} = f·x_{i,c,n} + s,  x_{i,c,0} = x_i + c,  N = 32·R
// source    Williams et al. 2009, doi:10.1145/1498765.1498785: the flat part of a roofline
// shapes    n elements, R rounds
// work      a lane per element; its chains are three vec4s, enough for two pipelines that take four or five cycles each,
//           and few enough for the sixteen vector registers of a processor; dispatch ⌈n/LANES⌉ workgroups over x and y
// cost      768·R·n FLOPs; moves 2·n words
// limits    R below 65,536, where llvmpipe leaves a loop

struct Params {
    elements: u32,  // n
    rounds: u32,    // R
    factor: f32,    // f
    shift: f32,     // s
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;        // [n]
@group(0) @binding(2) var<storage, read_write> y: array<f32>;  // [n]

const LANES: u32 = 256u;

struct Chains {
    low: vec4f,
    middle: vec4f,
    high: vec4f,
}

fn step(chains: Chains, factor: vec4f, shift: vec4f) -> Chains {
    return Chains(
        fma(chains.low, factor, shift),
        fma(chains.middle, factor, shift),
        fma(chains.high, factor, shift),
    );
}

fn eight_steps(start: Chains, factor: vec4f, shift: vec4f) -> Chains {
    var chains = step(start, factor, shift);
    chains = step(chains, factor, shift);
    chains = step(chains, factor, shift);
    chains = step(chains, factor, shift);
    chains = step(chains, factor, shift);
    chains = step(chains, factor, shift);
    chains = step(chains, factor, shift);
    return step(chains, factor, shift);
}

@compute @workgroup_size(LANES)
fn forward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = (group.y * groups.x + group.x) * LANES + lane;
    if i >= params.elements {
        return;
    }
    let factor = vec4f(params.factor);
    let shift = vec4f(params.shift);
    let first = vec4f(x[i]) + vec4f(0.0, 1.0, 2.0, 3.0);
    var chains = Chains(first, first + 4.0, first + 8.0);
    for (var round = 0u; round < params.rounds; round++) {
        chains = eight_steps(chains, factor, shift);
    }
    y[i] = dot(chains.low + chains.middle + chains.high, vec4f(1.0));
}
