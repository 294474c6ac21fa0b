// sum_of_squares — the length of the whole gradient, and what clipping makes of it.
//
// math      ‖g‖ = √Σ gᵢ² / S,   clip = min(1, c/(‖g‖ + 1e-6)) / S where c > 0, else 1/S,   finite = 1 or 0
//           S, by which the loss was multiplied: halved if not finite, doubled after n steps that were
// source    Pascanu, Mikolov & Bengio 2013, arXiv:1211.5063, §3.2; the 1e-6 is the one of torch.nn.utils.clip_grad_norm_;
//           scaling: Micikevicius et al. 2018, arXiv:1710.03740, §3.2, as torch.amp.GradScaler does it
// shapes    g lies in several arenas of whole quads; state [3] = ‖g‖, clip, finite; scale [2] = S, steps since it changed
// work      partial_sums: a workgroup per chunk of 16,384 words, dispatch ⌈words/16384⌉ over x and y, once an arena;
//           clip: one workgroup adds the P partial sums of all arenas in their order
// cost      moves the words of g once; 2 FLOPs a word
// numerics  S is a power of two, so that dividing by it rounds nothing; a length above 1.8e19 overflows f32 and counts as not finite
// uses      shared/lanes.wgsl

struct Params {
    words: u32,          // of this arena, a multiple of 4
    first_partial: u32,  // where this arena's partial sums begin
    partials: u32,       // P, of all arenas
    max_norm: f32,       // c, no clipping if 0
    growth_steps: u32,   // n, S stays as it is if 0
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> gradient: array<vec4<f32>>;  // [words]
@group(0) @binding(2) var<storage, read_write> partials: array<f32>;  // [P]
@group(0) @binding(3) var<storage, read_write> state: array<f32>;     // [3]  ‖g‖, clip, finite
@group(0) @binding(4) var<storage, read_write> scale: array<f32>;     // [2]  S, steps since it changed

const CHUNK_QUADS: u32 = 4096u;

@compute @workgroup_size(LANES)
fn partial_sums(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let chunk = group.y * groups.x + group.x;
    let first = chunk * CHUNK_QUADS;
    let quads = params.words / 4u;
    if first >= quads {
        return;
    }
    let end = min(first + CHUNK_QUADS, quads);
    var sum = 0.0;
    for (var i = first + lane; i < end; i += LANES) {
        sum += dot(gradient[i], gradient[i]);
    }
    let total = sum_lanes(lane, sum);
    if lane == 0u {
        partials[params.first_partial + chunk] = total;
    }
}

@compute @workgroup_size(LANES)
fn clip(@builtin(local_invocation_index) lane: u32) {
    var sum = 0.0;
    for (var i = lane; i < params.partials; i += LANES) {
        sum += partials[i];
    }
    let scaled_norm = sqrt(sum_lanes(lane, sum));
    if lane == 0u {
        let norm = scaled_norm / scale[0];
        // By its exponent bits: a shader compiler may assume that no comparison sees an infinity or a NaN.
        let finite = (bitcast<u32>(norm) & 0x7F800000u) != 0x7F800000u;
        let factor = min(1.0, params.max_norm / (norm + 1e-6));
        state[0] = norm;
        state[1] = select(1.0, factor, finite && params.max_norm > 0.0) / scale[0];
        state[2] = select(0.0, 1.0, finite);
        if params.growth_steps > 0u {
            let steps = select(0.0, scale[1] + 1.0, finite);
            let grows = steps >= f32(params.growth_steps);
            scale[0] *= select(0.5, select(1.0, 2.0, grows), finite);
            scale[1] = select(steps, 0.0, grows);
        }
    }
}
