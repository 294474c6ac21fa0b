// linear_cross_entropy — from a chunk of logits hidden · Wᵀ + b to its losses, and to their gradient in place.
//
// math      x = h·Wᵀ + b,  m = maxᵥ xᵥ,  Σ = Σᵥ exp(xᵥ − m),  ℓ = log Σ + (1 − ε)·(m − x_t) + ε·(m − meanᵥ xᵥ),
//           L = Σ w·ℓ over rows that count;  G = ∂L/∂x: Gᵥ = (exp(xᵥ − m)/Σ − (1 − ε)·[v = t] − ε/V)·w, 0 where t is
//           IGNORED;  db = Σ_rows G,  dh = G·W,  dW = Gᵀ·h.  w is one for all rows, or what arrives for each
// source    Wijmans et al. 2024 (Cut Your Losses), arXiv:2411.09009, eq. 2–4; chunks of rows as in
//           Hsu et al. 2024 (Liger Kernel), arXiv:2410.10989, §3.2; ε as in torch.nn.functional.cross_entropy, after
//           Szegedy et al. 2016, arXiv:1512.00567, §7
// shapes    a chunk of C rows; V entries of the vocabulary
// work      forward, backward_logits: one workgroup per row, LANES lanes stride over V, C groups spread over x and y;
//           backward_bias: one lane per column, dispatch (⌈V / LANES⌉, 1, 1). The three products are matmul's
// cost      forward reads C·V words, backward_logits moves 2·C·V, backward_bias reads C·V; one exp per element each
// numerics  each lane keeps its own running maximum, so exp never overflows; no infinities are formed;
//           m and log Σ are kept apart: their sum would lose the digits of log Σ where |m| is large; the mean of x is
//           taken from the first x on, for the same reason
// uses      shared/lanes.wgsl

struct Params {
    rows: u32,         // C, rows of this chunk
    vocabulary: u32,   // V
    accumulates: u32,  // 1 if db already holds the sum over earlier chunks, 0 for the first
    weights: u32,      // 0 if all rows have one weight w, 1 if each has its own
    smoothing: f32,    // ε, the share of the target that is spread over all classes
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> targets: array<u32>;            // [C]     t, or IGNORED
@group(0) @binding(2) var<storage, read> row_weight: array<f32>;         // [1] or [C]  w
@group(0) @binding(3) var<storage, read_write> logits: array<f32>;       // [C, V]  x, then ∂L/∂x
@group(0) @binding(4) var<storage, read_write> row_max: array<f32>;      // [C]     m
@group(0) @binding(5) var<storage, read_write> row_sum: array<f32>;      // [C]     Σ
@group(0) @binding(6) var<storage, read_write> row_losses: array<f32>;   // [C]     ℓ
@group(0) @binding(7) var<storage, read_write> dbias: array<f32>;        // [V]     db, summed over chunks

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
    let origin = logits[start];
    var highest = LOWEST;
    var sum = 0.0;    // Σ exp(x − highest) over this lane's columns
    var offset = 0.0; // Σ (x − origin)
    for (var v = lane; v < params.vocabulary; v += LANES) {
        let x = logits[start + v];
        offset += x - origin;
        if x > highest {
            sum = sum * exp(highest - x) + 1.0;
            highest = x;
        } else {
            sum += exp(x - highest);
        }
    }
    let m = max_lanes(lane, highest);
    let total = sum_lanes(lane, sum * exp(highest - m));
    var mean_offset = 0.0;
    if params.smoothing > 0.0 {
        mean_offset = sum_lanes(lane, offset) / f32(params.vocabulary);
    }
    if lane == 0u {
        row_max[row] = m;
        row_sum[row] = total;
        let target_class = targets[row];
        var loss = 0.0;
        if target_class != IGNORED {
            let to_target = (1.0 - params.smoothing) * (m - logits[start + target_class]);
            loss = log(total) + to_target;
            // A logit of −∞ stands for a class that cannot be: without smoothing it costs nothing.
            if params.smoothing > 0.0 {
                loss += params.smoothing * ((m - origin) - mean_offset);
            }
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
    let m = row_max[row];
    let total = row_sum[row];
    let target_class = targets[row];
    let weight = select(row_weight[row * params.weights], 0.0, target_class == IGNORED);
    let share = params.smoothing / f32(params.vocabulary);
    for (var v = lane; v < params.vocabulary; v += LANES) {
        let probability = exp(logits[start + v] - m) / total;
        let wanted = share + select(0.0, 1.0 - params.smoothing, v == target_class);
        logits[start + v] = (probability - wanted) * weight;
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
