// dropout — which elements are dropped, as a pure function of their place and the key of the step.
//
// Needs shared/philox.wgsl. Nothing is stored: backward asks again and gets the same answer.

// Factors of the four columns 4·quad .. 4·quad + 3: 0 where dropped, `scale` elsewhere.
// `row` counts from the first row of the global batch; `plane` is the head in attention, else 0.
fn keep_factors(quad: u32, row: u32, site: u32, plane: u32, key: vec2u, threshold: u32, scale: f32) -> vec4f {
    let words = philox(vec4u(quad, row, site, plane), key);
    return select(vec4f(scale), vec4f(0.0), words < vec4u(threshold));
}
