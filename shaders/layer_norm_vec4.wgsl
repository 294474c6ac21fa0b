// layer_norm_vec4 — layer_norm where the channel count is a multiple of 4.
//
// math      as shaders/layer_norm.wgsl
// variant   layer_norm
// source    as shaders/layer_norm.wgsl
// shapes    N rows of C channels as Q = C/4 quads, row-major
// work      64 lanes a row, 4 rows a workgroup, a quad at a time; dispatch ⌈N/4⌉ workgroups over x and y;
//           backward_params: a lane per quad and strip, dispatch (⌈Q/64⌉, strips, 1); sum_params: (⌈Q/64⌉, 1, 1)
// cost      as shaders/layer_norm.wgsl, with loads four times as wide
// uses      shared/philox.wgsl, shared/dropout.wgsl, shared/row_lanes.wgsl

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

const COLUMN_LANES: u32 = 64u;

// Dropout factors of one quad.
fn keep(row: u32, quad: u32) -> vec4f {
    return keep_factors(
        quad, row + params.first_row, params.site, 0u,
        vec2u(key[0], key[1]), params.threshold, params.keep_scale,
    );
}

fn sum_vec4(value: vec4f) -> f32 {
    return (value.x + value.y) + (value.z + value.w);
}

@compute @workgroup_size(LANES)
fn forward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = (group.y * groups.x + group.x) * GROUP_ROWS + lane / ROW_LANES;
    let quads = select(0u, params.channels / 4u, row < params.rows);
    let start = row * quads;
    let c_len = f32(params.channels);

    var sum = 0.0;
    for (var q = lane % ROW_LANES; q < quads; q += ROW_LANES) {
        sum += sum_vec4(vec4f(x[start + q]));
    }
    let mu = sum_row(lane, vec2f(sum, 0.0)).x / c_len;

    var squares = 0.0;
    for (var q = lane % ROW_LANES; q < quads; q += ROW_LANES) {
        let centred = vec4f(x[start + q]) - mu;
        squares += dot(centred, centred);
    }
    let r = inverseSqrt(sum_row(lane, vec2f(squares, 0.0)).x / c_len + params.epsilon);

    for (var q = lane % ROW_LANES; q < quads; q += ROW_LANES) {
        y[start + q] = Element4(gamma[q] * ((vec4f(x[start + q]) - mu) * r) + beta[q]);
    }
    if lane % ROW_LANES == 0u && row < params.rows {
        moments[row] = vec2f(mu, r);
    }
}

@compute @workgroup_size(LANES)
fn forward_residual(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = (group.y * groups.x + group.x) * GROUP_ROWS + lane / ROW_LANES;
    let quads = select(0u, params.channels / 4u, row < params.rows);
    let start = row * quads;
    let c_len = f32(params.channels);

    var sum = 0.0;
    for (var q = lane % ROW_LANES; q < quads; q += ROW_LANES) {
        var value = vec4f(x[start + q]);
        if params.threshold > 0u {
            value *= keep(row, q);
        }
        if params.has_residual == 1u {
            value += vec4f(residual[start + q]);
        }
        h[start + q] = Element4(value);
        sum += sum_vec4(value);
    }
    let mu = sum_row(lane, vec2f(sum, 0.0)).x / c_len;

    // Each lane reads back only what it wrote itself.
    var squares = 0.0;
    for (var q = lane % ROW_LANES; q < quads; q += ROW_LANES) {
        let centred = vec4f(h[start + q]) - mu;
        squares += dot(centred, centred);
    }
    let r = inverseSqrt(sum_row(lane, vec2f(squares, 0.0)).x / c_len + params.epsilon);

    for (var q = lane % ROW_LANES; q < quads; q += ROW_LANES) {
        y[start + q] = Element4(gamma[q] * ((vec4f(h[start + q]) - mu) * r) + beta[q]);
    }
    if lane % ROW_LANES == 0u && row < params.rows {
        moments[row] = vec2f(mu, r);
    }
}

// mean(g) and mean(g ⊙ x̂) of a row.
fn backward_means(lane: u32, row: u32, quads: u32) -> vec2f {
    let start = row * quads;
    let m = moments[min(row, params.rows - 1u)];
    var sum = vec2f();
    for (var q = lane % ROW_LANES; q < quads; q += ROW_LANES) {
        let g = gamma[q] * vec4f(dy[start + q]);
        sum += vec2f(sum_vec4(g), dot(g, (vec4f(h[start + q]) - m.x) * m.y));
    }
    return sum_row(lane, sum) / f32(params.channels);
}

@compute @workgroup_size(LANES)
fn backward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = (group.y * groups.x + group.x) * GROUP_ROWS + lane / ROW_LANES;
    let quads = select(0u, params.channels / 4u, row < params.rows);
    let start = row * quads;
    let means = backward_means(lane, row, quads);
    let m = moments[min(row, params.rows - 1u)];
    for (var q = lane % ROW_LANES; q < quads; q += ROW_LANES) {
        let xhat = (vec4f(h[start + q]) - m.x) * m.y;
        dh[start + q] = Element4(m.y * (gamma[q] * vec4f(dy[start + q]) - means.x - xhat * means.y));
    }
}

@compute @workgroup_size(LANES)
fn backward_dropout(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = (group.y * groups.x + group.x) * GROUP_ROWS + lane / ROW_LANES;
    let quads = select(0u, params.channels / 4u, row < params.rows);
    let start = row * quads;
    let means = backward_means(lane, row, quads);
    let m = moments[min(row, params.rows - 1u)];
    for (var q = lane % ROW_LANES; q < quads; q += ROW_LANES) {
        let xhat = (vec4f(h[start + q]) - m.x) * m.y;
        let gradient = m.y * (gamma[q] * vec4f(dy[start + q]) - means.x - xhat * means.y);
        dh[start + q] = Element4(gradient);
        dx[start + q] = Element4(gradient * keep(row, q));
    }
}

// The sums of one strip of rows.
@compute @workgroup_size(COLUMN_LANES)
fn backward_params(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let quads = params.channels / 4u;
    let q = group.x * COLUMN_LANES + lane;
    if q >= quads {
        return;
    }
    let first = group.y * params.strip_rows;
    let end = min(first + params.strip_rows, params.rows);
    var sum_gamma = vec4f();
    var sum_beta = vec4f();
    for (var row = first; row < end; row++) {
        let m = moments[row];
        let gradient = vec4f(dy[row * quads + q]);
        sum_gamma += gradient * ((vec4f(h[row * quads + q]) - m.x) * m.y);
        sum_beta += gradient;
    }
    partial_dgamma[group.y * quads + q] = sum_gamma;
    partial_dbeta[group.y * quads + q] = sum_beta;
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
