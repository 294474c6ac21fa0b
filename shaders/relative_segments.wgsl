// relative_segments — the part of relative attention that says whether a key is of the query's segment.
//
// math      s_ij has the term (q_i + o)·m_g, g = 1 where the segments of i and j differ, 0 elsewhere. What is the same for all
//           j does not change a softmax, so that e_i·g_ij stands for it, e_i = (q_i + o)·(m₁ − m₀)
//           σ_i = Σ_j G_ij·g_ij with G the gradient of that term;  dq_i gains σ_i·(m₁ − m₀),  do = (Σ_i σ_i)·(m₁ − m₀)
//           dm₁ = Σ_i σ_i·(q_i + o),  dm₀ = −dm₁, for Σ_j G_ij = 0
// source    Yang et al. 2019, arXiv:1906.08237, §2.5
// shapes    B items, T queries, A heads of D channels
// work      forward: a lane per head and four rows of B·T; backward_queries: a lane per channel of a row of [A, D] and four
//           rows; backward_table: a lane per output; dispatch over x and y
// cost      forward D words and 4·D FLOPs an output; backward 3 words an output. What all rows share, a lane reads once for four

struct Params {
    batch: u32,    // B
    queries: u32,  // T
    heads: u32,    // A
    width: u32,    // D
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> q: array<Element>;           // [B, T, A, D]
@group(0) @binding(2) var<storage, read> origin: array<f32>;          // [A, D]  o
@group(0) @binding(3) var<storage, read> table: array<f32>;           // [2, A, D]  m₀, m₁
@group(0) @binding(4) var<storage, read_write> slopes: array<f32>;    // [B, T, A]  e, kept for backward
@group(0) @binding(5) var<storage, read> sigma: array<f32>;           // [B, T, A]  σ
@group(0) @binding(6) var<storage, read_write> dq: array<Element>;    // [B, T, A, D]  without the term, then with it
@group(0) @binding(7) var<storage, read_write> touched: array<f32>;  // [B, T, A, D]  σ_i·(q_i + o)
@group(0) @binding(8) var<storage, read> sigma_sum: array<f32>;      // [A]  Σ_i σ_i
@group(0) @binding(9) var<storage, read> touched_sum: array<f32>;    // [A, D]  dm₁
@group(0) @binding(10) var<storage, read_write> dorigin: array<f32>;  // [A, D]
@group(0) @binding(11) var<storage, read_write> dtable: array<f32>;   // [2, A, D]

const LANES: u32 = 64u;
const OWN: u32 = 4u;  // rows of a lane

// Its four rows, the last one again where there are fewer.
fn own_rows(first: u32) -> vec4u {
    return min(vec4u(first) + vec4u(0u, 1u, 2u, 3u), vec4u(params.batch * params.queries - 1u));
}

@compute @workgroup_size(LANES)
fn forward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let at = (group.y * groups.x + group.x) * LANES + lane;
    let first = at / params.heads * OWN;
    if first >= params.batch * params.queries {
        return;
    }
    let head = at % params.heads;
    let notes = own_rows(first) * params.heads + head;
    let rows = notes * params.width;
    let same = head * params.width;
    let other = same + params.heads * params.width;
    var sums = vec4f(0.0);
    for (var c = 0u; c < params.width; c++) {
        let touched_q = vec4f(Element4(q[rows.x + c], q[rows.y + c], q[rows.z + c], q[rows.w + c])) + origin[same + c];
        sums += touched_q * (table[other + c] - table[same + c]);
    }
    for (var r = 0u; r < OWN; r++) {
        slopes[notes[r]] = sums[r];
    }
}

@compute @workgroup_size(LANES)
fn backward_queries(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let lane_of_all = (group.y * groups.x + group.x) * LANES + lane;
    let plane = params.heads * params.width;
    let first = lane_of_all / plane * OWN;
    let channel = lane_of_all % plane;
    let head = channel / params.width;
    let slope = table[plane + channel] - table[channel];
    let bias = origin[channel];
    for (var row = first; row < min(first + OWN, params.batch * params.queries); row++) {
        let at = row * plane + channel;
        let own = sigma[row * params.heads + head];
        dq[at] = Element(f32(dq[at]) + own * slope);
        touched[at] = own * (f32(q[at]) + bias);
    }
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
