// fused_loss — the mean of a loss over its rows, and gradients that were computed together with it.
//
// math      L = w·Σᵣ ℓᵣ,   w = 1 / number of rows that count, 0 if none does
//           g ← g + δ,  in place, for the share δ of one more chunk of rows in a gradient g = ∂L/∂θ
//           g ← g·dL,  in place, for such a gradient that forward has completed
// source    Hsu et al. 2024 (Liger Kernel), arXiv:2410.10989, §3.2: the gradient of a loss over a large vocabulary is
//           computed while its logits exist, and scaled when the gradient of the loss itself arrives
// shapes    R rows; E elements of one gradient, read as vec4s; the last may reach into the padding of its buffer
// work      forward: one workgroup; the others: one lane per vec4, ⌈E / 4 / LANES⌉ groups spread over x and y
// cost      forward moves R words; accumulate 3·E; backward 2·E words, or none when dL = 1, as it is where backward starts
// uses      shared/lanes.wgsl

struct Params {
    rows: u32,   // R
    quads: u32,  // ⌈E / 4⌉
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> row_losses: array<f32>;            // [R]  ℓ, 0 where a row does not count
@group(0) @binding(2) var<storage, read> row_weight: array<f32>;            // [1]  w
@group(0) @binding(3) var<storage, read_write> loss: array<f32>;            // [1]  L
@group(0) @binding(4) var<storage, read> dloss: array<f32>;                 // [1]  dL
@group(0) @binding(5) var<storage, read> share: array<vec4<f32>>;           // [E]  δ
@group(0) @binding(6) var<storage, read_write> gradient: array<vec4<f32>>;  // [E]  g

@compute @workgroup_size(LANES)
fn forward(@builtin(local_invocation_index) lane: u32) {
    var sum = 0.0;
    for (var row = lane; row < params.rows; row += LANES) {
        sum += row_losses[row];
    }
    let total = sum_lanes(lane, sum);
    if lane == 0u {
        loss[0] = total * row_weight[0];
    }
}

@compute @workgroup_size(LANES)
fn accumulate(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = (group.y * groups.x + group.x) * LANES + lane;
    if i < params.quads {
        gradient[i] += share[i];
    }
}

@compute @workgroup_size(LANES)
fn backward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let factor = dloss[0];
    if factor == 1.0 {
        return;
    }
    let i = (group.y * groups.x + group.x) * LANES + lane;
    if i < params.quads {
        gradient[i] *= factor;
    }
}
