// linear_cross_entropy — from a chunk of logits hidden · Wᵀ + b to its losses, and to their gradient in place.
//
// math      x = h·Wᵀ + b,  Λ = log Σᵥ exp(xᵥ),  ℓ = Λ − x_t,  L = w·Σ ℓ over rows whose target t is not IGNORED
//           ∂L/∂xᵥ = (exp(xᵥ − Λ) − [v = t])·w,  db = Σ_rows ∂L/∂x;  with G = ∂L/∂x: dh = G·W, dW = Gᵀ·h
// source    Wijmans et al. 2024 (Cut Your Losses), arXiv:2411.09009, eq. 2–4; chunks of rows as in
//           Hsu et al. 2024 (Liger Kernel), arXiv:2410.10989, §3.2
// shapes    a chunk of C rows; V entries of the vocabulary
// work      forward, backward_logits: one workgroup per row, LANES lanes stride over V, C groups spread over x and y;
//           backward_bias: one lane per column, dispatch (⌈V / LANES⌉, 1, 1). The three products are matmul's
// cost      forward reads C·V words, backward_logits moves 2·C·V, backward_bias reads C·V; one exp per element each
// numerics  each lane keeps its own running maximum, so exp never overflows; no infinities are formed
// uses      shared/lanes.wgsl

struct Params {
    rows: u32,         // C, rows of this chunk
    vocabulary: u32,   // V
    accumulates: u32,  // 1 if db already holds the sum over earlier chunks, 0 for the first
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> targets: array<u32>;            // [C]     t, or IGNORED
@group(0) @binding(2) var<storage, read> row_weight: array<f32>;         // [1]     w
@group(0) @binding(3) var<storage, read_write> logits: array<f32>;       // [C, V]  x, then ∂L/∂x
@group(0) @binding(4) var<storage, read_write> log_sum_exp: array<f32>;  // [C]     Λ
@group(0) @binding(5) var<storage, read_write> row_losses: array<f32>;   // [C]     ℓ
@group(0) @binding(6) var<storage, read_write> dbias: array<f32>;        // [V]     db, summed over chunks

const IGNORED: u32 = 0xFFFFFFFFu;
const LOWEST: f32 = -1e30; // below every logit, and its difference to one is finite

@compute @workgroup_size(LANES)
fn forward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = group.y * groups.x + group.x;
    if row >= params.rows {
        return;
    }
    let start = row * params.vocabulary;
    var highest = LOWEST;
    var sum = 0.0; // Σ exp(x − highest) over this lane's columns
    for (var v = lane; v < params.vocabulary; v += LANES) {
        let x = logits[start + v];
        if x > highest {
            sum = sum * exp(highest - x) + 1.0;
            highest = x;
        } else {
            sum += exp(x - highest);
        }
    }
    let row_highest = max_lanes(lane, highest);
    let row_sum = sum_lanes(lane, sum * exp(highest - row_highest));
    if lane == 0u {
        let lambda = row_highest + log(row_sum);
        log_sum_exp[row] = lambda;
        let target_class = targets[row];
        var loss = 0.0;
        if target_class != IGNORED {
            loss = lambda - logits[start + target_class];
        }
        row_losses[row] = loss;
    }
}

@compute @workgroup_size(LANES)
fn backward_logits(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = group.y * groups.x + group.x;
    if row >= params.rows {
        return;
    }
    let start = row * params.vocabulary;
    let lambda = log_sum_exp[row];
    let target_class = targets[row];
    let weight = select(row_weight[0], 0.0, target_class == IGNORED);
    for (var v = lane; v < params.vocabulary; v += LANES) {
        let probability = exp(logits[start + v] - lambda);
        logits[start + v] = (probability - select(0.0, 1.0, v == target_class)) * weight;
    }
}

@compute @workgroup_size(LANES)
fn backward_bias(@builtin(global_invocation_id) id: vec3u) {
    let v = id.x;
    if v >= params.vocabulary {
        return;
    }
    var sum = 0.0;
    if params.accumulates != 0u {
        sum = dbias[v];
    }
    for (var row = 0u; row < params.rows; row++) {
        sum += logits[row * params.vocabulary + v];
    }
    dbias[v] = sum;
}
