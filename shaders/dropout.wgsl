// dropout — zero elements at random, and scale the rest so that the mean stays.
//
// math      y = x ⊙ k,  k = 0 with probability p, else 1/(1 − p);   dx = dy ⊙ k, the same kernel on dy
// source    Srivastava et al. 2014, JMLR 15, §10 (inverted dropout); random words by philox
// shapes    N rows of C channels, row-major
// work      a lane per four columns of a row; dispatch ⌈N·⌈C/4⌉/256⌉ workgroups over x and y
// cost      moves 2·N·C words; 10 philox rounds for four elements
// uses      shared/philox.wgsl, shared/dropout.wgsl

struct Params {
    rows: u32,        // N
    channels: u32,    // C
    site: u32,        // which dropout of the model
    first_row: u32,   // of this batch in the global batch
    threshold: u32,   // a random word below it drops
    keep_scale: f32,  // 1/(1 − p)
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> key: array<u32>;       // [2]     of the step
@group(0) @binding(2) var<storage, read> x: array<Element>;         // [N, C]
@group(0) @binding(3) var<storage, read_write> y: array<Element>;   // [N, C]

const LANES: u32 = 256u;

@compute @workgroup_size(LANES)
fn forward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let quads = (params.channels + 3u) / 4u;
    let index = (group.y * groups.x + group.x) * LANES + lane;
    let row = index / quads;
    if row >= params.rows {
        return;
    }
    let quad = index % quads;
    let factors = keep_factors(
        quad, row + params.first_row, params.site, 0u,
        vec2u(key[0], key[1]), params.threshold, params.keep_scale,
    );
    let start = row * params.channels;
    let end = min(4u * quad + 4u, params.channels);
    for (var c = 4u * quad; c < end; c++) {
        y[start + c] = Element(f32(x[start + c]) * factors[c % 4u]);
    }
}
