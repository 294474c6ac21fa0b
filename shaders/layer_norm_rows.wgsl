// layer_norm_rows — layer_norm for software adapters, where a barrier costs more than a walk along a row.
//
// math      as shaders/layer_norm.wgsl
// variant   layer_norm
// source    as shaders/layer_norm.wgsl
// shapes    N rows of C channels as Q = C/4 quads, row-major
// work      one lane a row, no workgroup memory and no barrier; four lanes of a subgroup read γ and β for all; dispatch
//           ⌈N/32⌉ workgroups over x and y; backward_params: a lane per four quads and strip, dispatch (⌈Q/64⌉, strips, 1);
//           sum_params: a lane per quad, (⌈Q/64⌉, 1, 1)
// cost      as shaders/layer_norm.wgsl; words that an element reads or writes, for which llvmpipe loops over the active of
//           eight lanes: forward 3.25, forward_residual 5.25, backward 5.25, backward_dropout 6.25, backward_params 2.3
// limits    subgroups of 4 lanes or more
// numerics  the variance as in shared/spread.wgsl
// uses      shared/spread.wgsl, shared/philox.wgsl, shared/dropout.wgsl

struct Params {
    rows: u32,          // N
    channels: u32,      // C
    epsilon: f32,       // ε, added to the variance
    has_residual: u32,  // 1 if `residual` is added, 0 if it is a stand-in
    site: u32,          // which dropout of the model
    first_row: u32,     // of this batch in the global batch
    threshold: u32,     // a random word below it drops; 0 drops nothing
    keep_scale: f32,    // 1/(1 − p)
    strip_rows: u32,    // rows of one strip of backward_params
    strips: u32,        // S = ⌈N / strip_rows⌉
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Element4>;                       // [N, C]
@group(0) @binding(2) var<storage, read> residual: array<Element4>;                // [N, C]
@group(0) @binding(3) var<storage, read> key: array<u32>;                           // [2]     of the step
@group(0) @binding(4) var<storage, read> gamma: array<vec4<f32>>;                   // [C]
@group(0) @binding(5) var<storage, read> beta: array<vec4<f32>>;                    // [C]
@group(0) @binding(6) var<storage, read_write> h: array<Element4>;                 // [N, C]  what is normalised, kept for backward
@group(0) @binding(7) var<storage, read_write> y: array<Element4>;                 // [N, C]
@group(0) @binding(8) var<storage, read_write> moments: array<vec2<f32>>;           // [N, 2]  μ and r, kept for backward
@group(0) @binding(9) var<storage, read> dy: array<Element4>;                      // [N, C]
@group(0) @binding(10) var<storage, read_write> dh: array<Element4>;               // [N, C]  also the gradient of the residual
@group(0) @binding(11) var<storage, read_write> dx: array<Element4>;               // [N, C]
@group(0) @binding(12) var<storage, read_write> partial_dgamma: array<vec4<f32>>;   // [S, C]
@group(0) @binding(13) var<storage, read_write> partial_dbeta: array<vec4<f32>>;    // [S, C]
@group(0) @binding(14) var<storage, read_write> dgamma: array<vec4<f32>>;           // [C]
@group(0) @binding(15) var<storage, read_write> dbeta: array<vec4<f32>>;            // [C]

const LANES: u32 = 32u;
const COLUMN_LANES: u32 = 64u;

// Dropout factors of one quad.
fn keep(row: u32, quad: u32) -> vec4f {
    return keep_factors(
        quad, row + params.first_row, params.site, 0u,
        vec2u(key[0], key[1]), params.threshold, params.keep_scale,
    );
}

// What each of the first STEP lanes has.
fn pass_round(own: vec4f) -> array<vec4f, STEP> {
    return array<vec4f, STEP>(
        subgroupBroadcast(own, 0u), subgroupBroadcast(own, 1u), subgroupBroadcast(own, 2u), subgroupBroadcast(own, 3u),
    );
}

struct Lane {
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) index: u32,
    @builtin(subgroup_invocation_id) in_subgroup: u32,
}

// A row as its lane sees it. STEP lanes read γ and β for all, so all walk, but past the last row they own nothing.
struct Row {
    i: u32,
    start: u32,  // of quad 0
    own: u32,    // quads: Q, or 0 past the last row
    quads: u32,  // Q
    place: u32,  // in the subgroup
}

fn row_of(lane: Lane) -> Row {
    let i = (lane.group.y * lane.groups.x + lane.group.x) * LANES + lane.index;
    let quads = params.channels / 4u;
    return Row(i, i * quads, select(0u, quads, i < params.rows), quads, lane.in_subgroup);
}

// Four quads of γ from q.
fn gammas(row: Row, q: u32) -> array<vec4f, STEP> {
    var own: vec4f;
    if row.place < STEP && q + row.place < row.quads {
        own = gamma[q + row.place];
    }
    return pass_round(own);
}

// Four quads of β from q.
fn betas(row: Row, q: u32) -> array<vec4f, STEP> {
    var own: vec4f;
    if row.place < STEP && q + row.place < row.quads {
        own = beta[q + row.place];
    }
    return pass_round(own);
}

// Keeps μ and r.
fn note_moments(row: Row, spread: Spread) -> vec2f {
    let m = vec2f(spread.mean, inverseSqrt(spread.squares / f32(params.channels) + params.epsilon));
    if row.own > 0u {
        moments[row.i] = m;
    }
    return m;
}

@compute @workgroup_size(LANES)
fn forward(lane: Lane) {
    let row = row_of(lane);
    var spread = Spread();
    for (var q = 0u; q < row.quads; q += STEP) {
        var values: array<vec4f, STEP>;
        for (var i = 0u; i < STEP; i++) {
            if q + i < row.own {
                values[i] = vec4f(x[row.start + q + i]);
            }
        }
        spread = merge(spread, values, row.quads - q);
    }
    let m = note_moments(row, spread);
    for (var q = 0u; q < row.quads; q += STEP) {
        var gain = gammas(row, q);
        var shift = betas(row, q);
        for (var i = 0u; i < STEP; i++) {
            let at = row.start + q + i;
            if q + i < row.own {
                y[at] = Element4(gain[i] * ((vec4f(x[at]) - m.x) * m.y) + shift[i]);
            }
        }
    }
}

@compute @workgroup_size(LANES)
fn forward_residual(lane: Lane) {
    let row = row_of(lane);
    var spread = Spread();
    for (var q = 0u; q < row.quads; q += STEP) {
        var values: array<vec4f, STEP>;
        for (var i = 0u; i < STEP; i++) {
            let at = row.start + q + i;
            if q + i < row.own {
                var value = vec4f(x[at]);
                if params.threshold > 0u {
                    value *= keep(row.i, q + i);
                }
                if params.has_residual == 1u {
                    value += vec4f(residual[at]);
                }
                h[at] = Element4(value);
                values[i] = value;
            }
        }
        spread = merge(spread, values, row.quads - q);
    }
    let m = note_moments(row, spread);
    for (var q = 0u; q < row.quads; q += STEP) {
        var gain = gammas(row, q);
        var shift = betas(row, q);
        for (var i = 0u; i < STEP; i++) {
            let at = row.start + q + i;
            if q + i < row.own {
                y[at] = Element4(gain[i] * ((vec4f(h[at]) - m.x) * m.y) + shift[i]);
            }
        }
    }
}

// What the gradient of a row needs of the whole row.
struct Means {
    mu: f32,
    r: f32,
    g: f32,       // mean(g)
    g_xhat: f32,  // mean(g ⊙ x̂)
}

fn means_of(row: Row) -> Means {
    let m = moments[min(row.i, params.rows - 1u)];
    var sum_g = vec4f();
    var sum_g_xhat = vec4f();
    for (var q = 0u; q < row.quads; q += STEP) {
        var gain = gammas(row, q);
        for (var i = 0u; i < STEP; i++) {
            let at = row.start + q + i;
            if q + i < row.own {
                let g = gain[i] * vec4f(dy[at]);
                sum_g += g;
                sum_g_xhat += g * ((vec4f(h[at]) - m.x) * m.y);
            }
        }
    }
    let c_len = f32(params.channels);
    return Means(m.x, m.y, sum_vec4(sum_g) / c_len, sum_vec4(sum_g_xhat) / c_len);
}

// dh of the quad at `at`.
fn gradient(gain: vec4f, at: u32, means: Means) -> vec4f {
    let xhat = (vec4f(h[at]) - means.mu) * means.r;
    return means.r * (gain * vec4f(dy[at]) - means.g - xhat * means.g_xhat);
}

@compute @workgroup_size(LANES)
fn backward(lane: Lane) {
    let row = row_of(lane);
    let means = means_of(row);
    for (var q = 0u; q < row.quads; q += STEP) {
        var gain = gammas(row, q);
        for (var i = 0u; i < STEP; i++) {
            let at = row.start + q + i;
            if q + i < row.own {
                dh[at] = Element4(gradient(gain[i], at, means));
            }
        }
    }
}

@compute @workgroup_size(LANES)
fn backward_dropout(lane: Lane) {
    let row = row_of(lane);
    let means = means_of(row);
    for (var q = 0u; q < row.quads; q += STEP) {
        var gain = gammas(row, q);
        for (var i = 0u; i < STEP; i++) {
            let at = row.start + q + i;
            if q + i < row.own {
                let value = gradient(gain[i], at, means);
                dh[at] = Element4(value);
                dx[at] = Element4(value * keep(row.i, q + i));
            }
        }
    }
}

// The sums of one strip of rows. Four neighbouring quads are a line of the cache, and share what is read of their row.
@compute @workgroup_size(COLUMN_LANES / STEP)
fn backward_params(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let quads = params.channels / 4u;
    let q = group.x * COLUMN_LANES + lane * STEP;
    if q >= quads {
        return;
    }
    let first = group.y * params.strip_rows;
    let end = min(first + params.strip_rows, params.rows);
    var sum_gamma: array<vec4f, STEP>;
    var sum_beta: array<vec4f, STEP>;
    for (var row = first; row < end; row++) {
        let m = moments[row];
        for (var i = 0u; i < STEP; i++) {
            let at = row * quads + min(q + i, quads - 1u);
            let gradient = vec4f(dy[at]);
            sum_gamma[i] += gradient * ((vec4f(h[at]) - m.x) * m.y);
            sum_beta[i] += gradient;
        }
    }
    for (var i = 0u; i < STEP; i++) {
        if q + i < quads {
            partial_dgamma[group.y * quads + q + i] = sum_gamma[i];
            partial_dbeta[group.y * quads + q + i] = sum_beta[i];
        }
    }
}

// The sums of all strips, in their order.
@compute @workgroup_size(COLUMN_LANES)
fn sum_params(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let quads = params.channels / 4u;
    let q = group.x * COLUMN_LANES + lane;
    if q >= quads {
        return;
    }
    var sum_gamma = vec4f();
    var sum_beta = vec4f();
    for (var strip = 0u; strip < params.strips; strip++) {
        sum_gamma += partial_dgamma[strip * quads + q];
        sum_beta += partial_dbeta[strip * quads + q];
    }
    dgamma[q] = sum_gamma;
    dbeta[q] = sum_beta;
}
