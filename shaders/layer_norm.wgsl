// layer_norm — add the residual, give each row zero mean and unit variance, then scale and shift it.
//
// math      h = residual + dropout(x)   (`forward` alone: h = x)
//           x̂ = (h − μ)·r,  μ = mean(h),  r = 1/√(var(h) + ε),  y = γ ⊙ x̂ + β
//           dh = r·(g − mean(g) − x̂·mean(g ⊙ x̂)),  g = γ ⊙ dy;   dx = dh ⊙ keep,  dresidual = dh
//           dγ = Σₙ dy ⊙ x̂,  dβ = Σₙ dy
// source    Ba, Kiros & Hinton 2016, arXiv:1607.06450, eq. 3
// shapes    N rows of C channels, row-major; means are over C, var is the biased one
// work      64 lanes a row, 4 rows a workgroup; dispatch ⌈N/4⌉ workgroups over x and y;
//           backward_params: a lane per channel and strip of rows, dispatch (⌈C/64⌉, strips, 1);
//           sum_params: a lane per channel, dispatch (⌈C/64⌉, 1, 1)
// cost      words moved: forward 2·N·C, forward_residual 4·N·C, backward 3·N·C, backward_dropout 4·N·C,
//           backward_params 2·N·C; rows are read again from cache. About 8·N·C FLOPs each, 2 row sums forward, 1 back
// numerics  a second pass over h, not E[h²] − μ²: that difference cancels when |μ| ≫ σ.
//           ε = 1e-12 keeps a constant row finite: r = 1e6, x̂ = 0
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
@group(0) @binding(1) var<storage, read> x: array<Element>;                       // [N, C]
@group(0) @binding(2) var<storage, read> residual: array<Element>;                // [N, C]
@group(0) @binding(3) var<storage, read> key: array<u32>;                     // [2]     of the step
@group(0) @binding(4) var<storage, read> gamma: array<f32>;                   // [C]
@group(0) @binding(5) var<storage, read> beta: array<f32>;                    // [C]
@group(0) @binding(6) var<storage, read_write> h: array<Element>;                 // [N, C]  what is normalised, kept for backward
@group(0) @binding(7) var<storage, read_write> y: array<Element>;                 // [N, C]
@group(0) @binding(8) var<storage, read_write> moments: array<vec2<f32>>;     // [N, 2]  μ and r, kept for backward
@group(0) @binding(9) var<storage, read> dy: array<Element>;                      // [N, C]
@group(0) @binding(10) var<storage, read_write> dh: array<Element>;               // [N, C]  also the gradient of the residual
@group(0) @binding(11) var<storage, read_write> dx: array<Element>;               // [N, C]
@group(0) @binding(12) var<storage, read_write> partial_dgamma: array<f32>;   // [S, C]
@group(0) @binding(13) var<storage, read_write> partial_dbeta: array<f32>;    // [S, C]
@group(0) @binding(14) var<storage, read_write> dgamma: array<f32>;           // [C]
@group(0) @binding(15) var<storage, read_write> dbeta: array<f32>;            // [C]

const COLUMN_LANES: u32 = 64u;

// Dropout factor of one element; the four of a quad share their random words.
fn keep(row: u32, c: u32) -> f32 {
    return keep_factors(
        c / 4u, row + params.first_row, params.site, 0u,
        vec2u(key[0], key[1]), params.threshold, params.keep_scale,
    )[c % 4u];
}

@compute @workgroup_size(LANES)
fn forward(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = (group.y * groups.x + group.x) * GROUP_ROWS + lane / ROW_LANES;
    let width = select(0u, params.channels, row < params.rows);
    let start = row * width;
    let c_len = f32(params.channels);

    var sum = 0.0;
    for (var c = lane % ROW_LANES; c < width; c += ROW_LANES) {
        sum += f32(x[start + c]);
    }
    let mu = sum_row(lane, vec2f(sum, 0.0)).x / c_len;

    var squares = 0.0;
    for (var c = lane % ROW_LANES; c < width; c += ROW_LANES) {
        let centred = f32(x[start + c]) - mu;
        squares += centred * centred;
    }
    let r = inverseSqrt(sum_row(lane, vec2f(squares, 0.0)).x / c_len + params.epsilon);

    for (var c = lane % ROW_LANES; c < width; c += ROW_LANES) {
        y[start + c] = Element(gamma[c] * ((f32(x[start + c]) - mu) * r) + beta[c]);
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
    let width = select(0u, params.channels, row < params.rows);
    let start = row * width;
    let c_len = f32(params.channels);

    var sum = 0.0;
    for (var c = lane % ROW_LANES; c < width; c += ROW_LANES) {
        var value = f32(x[start + c]);
        if params.threshold > 0u {
            value *= keep(row, c);
        }
        if params.has_residual == 1u {
            value += f32(residual[start + c]);
        }
        h[start + c] = Element(value);
        sum += value;
    }
    let mu = sum_row(lane, vec2f(sum, 0.0)).x / c_len;

    // Each lane reads back only what it wrote itself.
    var squares = 0.0;
    for (var c = lane % ROW_LANES; c < width; c += ROW_LANES) {
        let centred = f32(h[start + c]) - mu;
        squares += centred * centred;
    }
    let r = inverseSqrt(sum_row(lane, vec2f(squares, 0.0)).x / c_len + params.epsilon);

    for (var c = lane % ROW_LANES; c < width; c += ROW_LANES) {
        y[start + c] = Element(gamma[c] * ((f32(h[start + c]) - mu) * r) + beta[c]);
    }
    if lane % ROW_LANES == 0u && row < params.rows {
        moments[row] = vec2f(mu, r);
    }
}

// mean(g) and mean(g ⊙ x̂) of a row.
fn backward_means(lane: u32, row: u32, width: u32) -> vec2f {
    let start = row * width;
    let m = moments[min(row, params.rows - 1u)];
    var sum = vec2f();
    for (var c = lane % ROW_LANES; c < width; c += ROW_LANES) {
        let g = gamma[c] * f32(dy[start + c]);
        sum += vec2f(g, g * (f32(h[start + c]) - m.x) * m.y);
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
    let width = select(0u, params.channels, row < params.rows);
    let start = row * width;
    let means = backward_means(lane, row, width);
    let m = moments[min(row, params.rows - 1u)];
    for (var c = lane % ROW_LANES; c < width; c += ROW_LANES) {
        let xhat = (f32(h[start + c]) - m.x) * m.y;
        dh[start + c] = Element(m.y * (gamma[c] * f32(dy[start + c]) - means.x - xhat * means.y));
    }
}

@compute @workgroup_size(LANES)
fn backward_dropout(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = (group.y * groups.x + group.x) * GROUP_ROWS + lane / ROW_LANES;
    let width = select(0u, params.channels, row < params.rows);
    let start = row * width;
    let means = backward_means(lane, row, width);
    let m = moments[min(row, params.rows - 1u)];
    for (var c = lane % ROW_LANES; c < width; c += ROW_LANES) {
        let xhat = (f32(h[start + c]) - m.x) * m.y;
        let gradient = m.y * (gamma[c] * f32(dy[start + c]) - means.x - xhat * means.y);
        dh[start + c] = Element(gradient);
        dx[start + c] = Element(gradient * keep(row, c));
    }
}

// The sums of one strip of rows.
@compute @workgroup_size(COLUMN_LANES)
fn backward_params(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let width = params.channels;
    let c = group.x * COLUMN_LANES + lane;
    if c >= width {
        return;
    }
    let first = group.y * params.strip_rows;
    let end = min(first + params.strip_rows, params.rows);
    var sum_gamma = 0.0;
    var sum_beta = 0.0;
    for (var row = first; row < end; row++) {
        let m = moments[row];
        let gradient = f32(dy[row * width + c]);
        sum_gamma += gradient * ((f32(h[row * width + c]) - m.x) * m.y);
        sum_beta += gradient;
    }
    partial_dgamma[group.y * width + c] = sum_gamma;
    partial_dbeta[group.y * width + c] = sum_beta;
}

// The sums of all strips, in their order.
@compute @workgroup_size(COLUMN_LANES)
fn sum_params(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let width = params.channels;
    let c = group.x * COLUMN_LANES + lane;
    if c >= width {
        return;
    }
    var sum_gamma = 0.0;
    var sum_beta = 0.0;
    for (var strip = 0u; strip < params.strips; strip++) {
        sum_gamma += partial_dgamma[strip * width + c];
        sum_beta += partial_dbeta[strip * width + c];
    }
    dgamma[c] = sum_gamma;
    dbeta[c] = sum_beta;
}
