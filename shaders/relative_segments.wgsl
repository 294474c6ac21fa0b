// relative_segments — the part of relative attention that says whether a key is of the query's segment.
//
// math      s_ij has the term (q_i + o)·m_g, g = 1 where the segments of i and j differ, 0 elsewhere. What is the same for all
//           j does not change a softmax, so that e_i·g_ij stands for it, e_i = (q_i + o)·(m₁ − m₀)
//           σ_i = Σ_j G_ij·g_ij with G the gradient of that term;  dq_i gains σ_i·(m₁ − m₀),  do = (Σ_i σ_i)·(m₁ − m₀)
//           dm₁ = Σ_i σ_i·(q_i + o),  dm₀ = −dm₁, for Σ_j G_ij = 0
// source    Yang et al. 2019, arXiv:1906.08237, §2.5
// shapes    B items, T queries, A heads of D channels
// work      one lane per output, dispatch over x and y
// cost      forward D words and 4·D FLOPs an output; backward 3 words an output

struct Params {
    batch: u32,    // B
    queries: u32,  // T
    heads: u32,    // A
    width: u32,    // D
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> q: array<f32>;               // [B, T, A, D]
@group(0) @binding(2) var<storage, read> origin: array<f32>;          // [A, D]  o
@group(0) @binding(3) var<storage, read> table: array<f32>;           // [2, A, D]  m₀, m₁
@group(0) @binding(4) var<storage, read_write> slopes: array<f32>;    // [B, T, A]  e, kept for backward
@group(0) @binding(5) var<storage, read> sigma: array<f32>;           // [B, T, A]  σ
@group(0) @binding(6) var<storage, read_write> dq: array<f32>;        // [B, T, A, D]  without the term, then with it
@group(0) @binding(7) var<storage, read_write> touched: array<f32>;  // [B, T, A, D]  σ_i·(q_i + o)
@group(0) @binding(8) var<storage, read> sigma_sum: array<f32>;      // [A]  Σ_i σ_i
@group(0) @binding(9) var<storage, read> touched_sum: array<f32>;    // [A, D]  dm₁
@group(0) @binding(10) var<storage, read_write> dorigin: array<f32>;  // [A, D]
@group(0) @binding(11) var<storage, read_write> dtable: array<f32>;   // [2, A, D]

const LANES: u32 = 64u;

@compute @workgroup_size(LANES)
fn forward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let note = (group.y * groups.x + group.x) * LANES + lane;
    if note >= params.batch * params.queries * params.heads {
        return;
    }
    let head = note % params.heads * params.width;
    let other = head + params.heads * params.width;
    var sum = 0.0;
    for (var c = 0u; c < params.width; c++) {
        sum += (q[note * params.width + c] + origin[head + c]) * (table[other + c] - table[head + c]);
    }
    slopes[note] = sum;
}

@compute @workgroup_size(LANES)
fn backward_queries(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let at = (group.y * groups.x + group.x) * LANES + lane;
    let plane = params.heads * params.width;
    if at >= params.batch * params.queries * plane {
        return;
    }
    let own = sigma[at / params.width];
    let channel = at % plane;
    dq[at] += own * (table[plane + channel] - table[channel]);
    touched[at] = own * (q[at] + origin[channel]);
}

@compute @workgroup_size(LANES)
fn backward_table(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let at = (group.y * groups.x + group.x) * LANES + lane;
    let plane = params.heads * params.width;
    if at >= plane {
        return;
    }
    dorigin[at] = sigma_sum[at / params.width] * (table[plane + at] - table[at]);
    dtable[at] = -touched_sum[at];
    dtable[plane + at] = touched_sum[at];
}
