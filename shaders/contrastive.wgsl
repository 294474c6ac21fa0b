// contrastive — from a chunk of similarities queries · passagesᵀ to its losses, and to their gradient in place.
//
// math      s = κ·q·pᵀ,  κ = eᵃ/τ,  m = max sⱼ,  Σ = Σⱼ exp(sⱼ − m) over visible j,  Λ = log Σ + m,  ℓ = Λ − s_t
//           L = w·Σ ℓ over the queries whose target t is not IGNORED; in both directions L = ½·w·Σ (ℓ + ℓ′), where ℓ′
//           is the same along the column t, over the queries to which it is visible
//           j is hidden from a query, and the query from j, when id(j) = id(t) and j ≠ t: the same passage again
//           G = ∂L/∂(q·pᵀ) = (P − Y)·w·κ,  P = exp(s − m)/Σ,  Y = [j = t], 0 where hidden;  both: ½·(P + P′ − 2·Y)·w·κ
//           dq = G·p,  dp = Gᵀ·q,  da = Σ ⟨q, dq⟩
// source    van den Oord et al. 2018, arXiv:1807.03748, eq. 4; in-batch negatives as in Karpukhin et al. 2020,
//           arXiv:2004.04906, §3.2; both directions and a as in Radford et al. 2021, arXiv:2103.00020, figure 3
// shapes    a chunk of C queries; N passages
// work      forward, backward_*: ROW_LANES lanes per query stride over N. column_partials: one lane per strip
//           of S queries and passage. column_merge: one lane per passage; column_losses: one per query. Groups spread over
//           x and y; the products are matmul's
// cost      forward and column_partials read C·N words each (2·C·N with ids), backward_* move 2·C·N; one exp per element
//           each, two in backward_both
// numerics  each lane keeps its own running maximum, so exp never overflows at τ = 0.01; hidden pairs are skipped,
//           and the target itself is never hidden, so that every sum that counts is at least 1
// uses      shared/row_share.wgsl

struct Params {
    rows: u32,                 // C, queries of this chunk; all of them in column_losses
    passages: u32,             // N
    strip: u32,                // S, queries that one lane of column_partials walks
    continues: u32,            // 1 if column_stats hold the chunks before this one
    has_ids: u32,              // 1 if duplicates of the target are hidden, 0 if there are no ids
    of_log_sums: u32,          // 1 if drows is the gradient of Λ, 0 if that of ℓ
    inverse_temperature: f32,  // 1/τ
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> candidate_ids: array<u32>;              // [N]     equal ids are the same passage
@group(0) @binding(2) var<storage, read> targets: array<u32>;                    // [C]     t, or IGNORED
@group(0) @binding(3) var<storage, read> sources: array<u32>;                    // [N]     whose target it is, or IGNORED
@group(0) @binding(4) var<storage, read> log_scale: array<f32>;                  // [1]     a
@group(0) @binding(5) var<storage, read> row_weight: array<f32>;                 // [1]     w
@group(0) @binding(6) var<storage, read_write> scores: array<f32>;               // [C, N]  q·pᵀ, then G
@group(0) @binding(7) var<storage, read_write> row_stats: array<vec2<f32>>;      // [C]     m, Σ
@group(0) @binding(8) var<storage, read_write> positives: array<f32>;            // [C]     s_t, 0 for IGNORED
@group(0) @binding(9) var<storage, read_write> row_losses: array<f32>;           // [C]     ℓ, then ½·(ℓ + ℓ′)
@group(0) @binding(10) var<storage, read_write> log_sums: array<f32>;            // [C]     Λ
@group(0) @binding(11) var<storage, read_write> partial_stats: array<vec2<f32>>; // [⌈C/S⌉, N]  m′, Σ′ of a strip
@group(0) @binding(12) var<storage, read_write> column_stats: array<vec2<f32>>;  // [N]     m′, Σ′
@group(0) @binding(13) var<storage, read> drows: array<f32>;                     // [C]     of ℓ or Λ

const LANES: u32 = 256u;
const IGNORED: u32 = 0xFFFFFFFFu;
const LOWEST: f32 = -1e30; // below every score, and its difference to one is finite

fn scale() -> f32 {
    return exp(log_scale[0]) * params.inverse_temperature;
}

// Whether `column` repeats the passage that is this query's target.
fn is_hidden(column: u32, target_column: u32) -> bool {
    if params.has_ids == 0u || target_column == IGNORED || column == target_column {
        return false;
    }
    return candidate_ids[column] == candidate_ids[target_column];
}

// m and Σ with one more score: of the two terms, that with the maximum is as it is.
fn with_score(stats: vec2f, s: f32) -> vec2f {
    let above = s > stats.x;
    let lesser = exp(-abs(s - stats.x));
    return vec2f(max(s, stats.x), select(stats.y + lesser, stats.y * lesser + 1.0, above));
}

// A hidden score may lie far above m: its exponent is clamped before it is thrown away.
fn probability(s: f32, stats: vec2f) -> f32 {
    return exp(min(s - stats.x, 0.0)) / stats.y;
}

@compute @workgroup_size(LANES)
fn forward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = row_at(group, groups, lane);
    let is_row = row < params.rows;
    let start = row * params.passages;
    let target_column = targets[min(row, params.rows - 1u)];
    let kappa = scale();
    var stats = vec2f(LOWEST, 0.0); // of this lane's columns
    for (var j = lane % ROW_LANES; j < select(0u, params.passages, is_row); j += ROW_LANES) {
        if !is_hidden(j, target_column) {
            stats = with_score(stats, scores[start + j] * kappa);
        }
    }
    let m = max_row(lane, stats.x);
    let total = sum_row(lane, stats.y * exp(stats.x - m));
    if is_row && lane % ROW_LANES == 0u {
        row_stats[row] = vec2f(m, total);
        log_sums[row] = log(total) + m;
        var positive = 0.0;
        var loss = 0.0;
        if target_column != IGNORED {
            positive = scores[start + target_column] * kappa;
            loss = log(total) + (m - positive);
        }
        positives[row] = positive;
        row_losses[row] = loss;
    }
}

@compute @workgroup_size(LANES)
fn column_partials(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = (group.y * groups.x + group.x) * LANES + lane;
    let column = i % params.passages;
    let first = i / params.passages * params.strip;
    if first >= params.rows {
        return;
    }
    let kappa = scale();
    var stats = vec2f(LOWEST, 0.0);
    for (var row = first; row < min(first + params.strip, params.rows); row++) {
        if !is_hidden(column, targets[row]) {
            stats = with_score(stats, scores[row * params.passages + column] * kappa);
        }
    }
    partial_stats[i] = stats;
}

@compute @workgroup_size(LANES)
fn column_merge(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let column = (group.y * groups.x + group.x) * LANES + lane;
    if column >= params.passages {
        return;
    }
    var stats = vec2f(LOWEST, 0.0);
    if params.continues != 0u {
        stats = column_stats[column];
    }
    for (var first = 0u; first < params.rows; first += params.strip) {
        let part = partial_stats[first / params.strip * params.passages + column];
        let m = max(stats.x, part.x);
        stats = vec2f(m, stats.y * exp(stats.x - m) + part.y * exp(part.x - m));
    }
    column_stats[column] = stats;
}

@compute @workgroup_size(LANES)
fn column_losses(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = (group.y * groups.x + group.x) * LANES + lane;
    if row >= params.rows {
        return;
    }
    let target_column = targets[row];
    if target_column != IGNORED {
        let stats = column_stats[target_column];
        let loss = log(stats.y) + (stats.x - positives[row]);
        row_losses[row] = 0.5 * (row_losses[row] + loss);
    }
}

@compute @workgroup_size(LANES)
fn backward_scores(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = row_at(group, groups, lane);
    if row >= params.rows {
        return;
    }
    let start = row * params.passages;
    let target_column = targets[row];
    let stats = row_stats[row];
    let kappa = scale();
    let weight = select(row_weight[0] * kappa, 0.0, target_column == IGNORED);
    for (var j = lane % ROW_LANES; j < params.passages; j += ROW_LANES) {
        let y = select(0.0, 1.0, j == target_column);
        let slope = (probability(scores[start + j] * kappa, stats) - y) * weight;
        scores[start + j] = select(slope, 0.0, is_hidden(j, target_column));
    }
}

@compute @workgroup_size(LANES)
fn backward_both(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = row_at(group, groups, lane);
    if row >= params.rows {
        return;
    }
    let start = row * params.passages;
    let target_column = targets[row];
    let stats = row_stats[row];
    let kappa = scale();
    let weight = 0.5 * row_weight[0] * kappa;
    for (var j = lane % ROW_LANES; j < params.passages; j += ROW_LANES) {
        var slope = 0.0;
        if !is_hidden(j, target_column) {
            let s = scores[start + j] * kappa;
            let y = select(0.0, 1.0, j == target_column);
            if target_column != IGNORED {
                slope = probability(s, stats) - y;
            }
            if sources[j] != IGNORED {
                slope += probability(s, column_stats[j]) - y;
            }
        }
        scores[start + j] = slope * weight;
    }
}

@compute @workgroup_size(LANES)
fn backward_rows(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = row_at(group, groups, lane);
    if row >= params.rows {
        return;
    }
    let start = row * params.passages;
    let target_column = targets[row];
    let stats = row_stats[row];
    let kappa = scale();
    let is_loss = params.of_log_sums == 0u;
    let weight = select(drows[row] * kappa, 0.0, is_loss && target_column == IGNORED);
    for (var j = lane % ROW_LANES; j < params.passages; j += ROW_LANES) {
        let y = select(0.0, 1.0, is_loss && j == target_column);
        let slope = (probability(scores[start + j] * kappa, stats) - y) * weight;
        scores[start + j] = select(slope, 0.0, is_hidden(j, target_column));
    }
}
