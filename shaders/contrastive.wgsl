// contrastive — from a chunk of similarities queries · passagesᵀ to its losses, and to their gradient in place.
//
// math      s = q·pᵀ / τ,  Λ = log Σ_{j visible} exp(sⱼ),  ℓ = Λ − s_t,  L = w·Σ ℓ over queries whose target t counts
//           j is hidden from a query when id(j) = id(t) and j ≠ t: the same passage again is no negative
//           G = ∂L/∂(q·pᵀ) = (exp(sⱼ − Λ) − [j = t])·w/τ, 0 where hidden;  dq = G·p, dp = Gᵀ·q
// source    van den Oord et al. 2018, arXiv:1807.03748, eq. 4; in-batch negatives as in Karpukhin et al. 2020,
//           arXiv:2004.04906, §3.2
// shapes    a chunk of C queries; N passages
// work      one workgroup per query, LANES lanes stride over N, C groups spread over x and y; the products are matmul's
// cost      forward reads C·N words (2·C·N with ids), backward_scores moves 2·C·N; one exp per element each
// numerics  each lane keeps its own running maximum, so exp never overflows at τ = 0.01; hidden columns are skipped,
//           and the target itself is never hidden, so that every sum is at least 1
// uses      shared/lanes.wgsl

struct Params {
    rows: u32,                 // C, queries of this chunk
    passages: u32,             // N
    has_ids: u32,              // 1 if duplicates of the target are hidden, 0 if there are no ids
    inverse_temperature: f32,  // 1/τ
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> candidate_ids: array<u32>;      // [N]     equal ids are the same passage
@group(0) @binding(2) var<storage, read> targets: array<u32>;            // [C]     t, or IGNORED
@group(0) @binding(3) var<storage, read> row_weight: array<f32>;         // [1]     w
@group(0) @binding(4) var<storage, read_write> scores: array<f32>;       // [C, N]  q·pᵀ, then ∂L/∂(q·pᵀ)
@group(0) @binding(5) var<storage, read_write> log_sum_exp: array<f32>;  // [C]     Λ
@group(0) @binding(6) var<storage, read_write> row_losses: array<f32>;   // [C]     ℓ

const IGNORED: u32 = 0xFFFFFFFFu;
const LOWEST: f32 = -1e30; // below every score, and its difference to one is finite

// Whether `column` repeats the passage that is this query's target.
fn is_hidden(column: u32, target_column: u32) -> bool {
    if params.has_ids == 0u || target_column == IGNORED || column == target_column {
        return false;
    }
    return candidate_ids[column] == candidate_ids[target_column];
}

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
    let start = row * params.passages;
    let target_column = targets[row];
    var highest = LOWEST;
    var sum = 0.0; // Σ exp(s − highest) over this lane's columns
    for (var j = lane; j < params.passages; j += LANES) {
        if is_hidden(j, target_column) {
            continue;
        }
        let s = scores[start + j] * params.inverse_temperature;
        if s > highest {
            sum = sum * exp(highest - s) + 1.0;
            highest = s;
        } else {
            sum += exp(s - highest);
        }
    }
    let row_highest = max_lanes(lane, highest);
    let row_sum = sum_lanes(lane, sum * exp(highest - row_highest));
    if lane == 0u {
        let lambda = row_highest + log(row_sum);
        log_sum_exp[row] = lambda;
        var loss = 0.0;
        if target_column != IGNORED {
            loss = lambda - scores[start + target_column] * params.inverse_temperature;
        }
        row_losses[row] = loss;
    }
}

@compute @workgroup_size(LANES)
fn backward_scores(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = group.y * groups.x + group.x;
    if row >= params.rows {
        return;
    }
    let start = row * params.passages;
    let target_column = targets[row];
    let lambda = log_sum_exp[row];
    let counted = select(row_weight[0], 0.0, target_column == IGNORED);
    let weight = counted * params.inverse_temperature;
    for (var j = lane; j < params.passages; j += LANES) {
        let s = scores[start + j] * params.inverse_temperature;
        // A hidden score may lie far above Λ: its exponent is clamped before it is thrown away.
        let probability = exp(min(s - lambda, 0.0)) - select(0.0, 1.0, j == target_column);
        scores[start + j] = select(probability * weight, 0.0, is_hidden(j, target_column));
    }
}
