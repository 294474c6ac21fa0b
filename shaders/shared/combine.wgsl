// combine — four rows, each weighted: the step of every product of small matrices in registers.

// sum + Σ_c weight[c]·rows[c].
fn combine(sum: vec4f, weight: vec4f, rows: mat4x4f) -> vec4f {
    let first = fma(vec4f(weight.x), rows[0], fma(vec4f(weight.y), rows[1], sum));
    return fma(vec4f(weight.z), rows[2], fma(vec4f(weight.w), rows[3], first));
}
