// gelu — the Gaussian error linear unit and its slope, in both of its forms.
//
// math      erf form   y = x·Φ(x),  Φ(x) = (1 + erf(x/√2))/2,  y′ = Φ(x) + x·exp(−x²/2)/√(2π)
//           tanh form  y = x·(1 + τ)/2,  τ = tanh(u),  u = √(2/π)·(x + 0.044715·x³),
//                      y′ = (1 + τ)/2 + x·(1 − τ²)/2·√(2/π)·(1 + 3·0.044715·x²)
// source    Hendrycks & Gimpel 2016, arXiv:1606.08415, §2; erf: N. Juffa, stackoverflow.com/a/35148199 (BSD-2)
// numerics  |erf error| ≤ 7e-8 where exp is correctly rounded; WGSL has no erf. The tanh form is written as x·σ(2u): 1 + τ
//           and 1 − τ² cancel in the tails, where they are multiplied by x³

const GELU_ERF: u32 = 0u;
const GELU_TANH: u32 = 1u;

const SQRT_HALF: f32 = 0.70710678;
const INVERSE_SQRT_TAU: f32 = 0.39894228;  // 1/√(2π)
const SQRT_TWO_OVER_PI: f32 = 0.79788456;
const GELU_CUBIC: f32 = 0.044715;

// erf(x): x + x·P(x²) near zero, 1 − exp(Q(|x|)) elsewhere; both polynomials are minimax fits.
fn erf(x: f32) -> f32 {
    let t = min(abs(x), 4.0);  // erf(4) = 1 − 1.5e-8 rounds to 1
    let s = t * t;

    var far = fma(fma(-1.72853470e-5, t, 3.83197126e-4), s, fma(-3.88396438e-3, t, 2.42546219e-2));
    far = fma(far, t, -1.06777877e-1);
    far = fma(far, t, -6.34846687e-1);
    far = fma(far, t, -1.28717512e-1);
    far = 1.0 - exp(fma(far, t, -t));

    var near = fma(-5.96761703e-4, s, 4.99119423e-3);
    near = fma(near, s, -2.67681349e-2);
    near = fma(near, s, 1.12819925e-1);
    near = fma(near, s, -3.76125336e-1);
    near = fma(near, s, 1.28379166e-1);
    near = fma(near, t, t);

    return sign(x) * select(near, far, t > 0.921875);
}

// (σ, σ′) with σ = (1 + tanh(u))/2 = 1/(1 + e^(−2u)) and σ′ = σ·(1 − σ), both exact to rounding in either tail.
fn soft_step(u: f32) -> vec2f {
    let e = exp(-2.0 * min(abs(u), 40.0));  // e^(−80) is still a normal number
    let larger = 1.0 / (1.0 + e);
    let smaller = e * larger;
    return vec2f(select(smaller, larger, u >= 0.0), smaller * larger);
}

fn gelu(x: f32, form: u32) -> f32 {
    if form == GELU_ERF {
        return 0.5 * x * (1.0 + erf(x * SQRT_HALF));
    }
    return x * soft_step(SQRT_TWO_OVER_PI * x * (1.0 + GELU_CUBIC * x * x)).x;
}

// d gelu(x) / dx.
fn gelu_slope(x: f32, form: u32) -> f32 {
    if form == GELU_ERF {
        let density = INVERSE_SQRT_TAU * exp(-0.5 * min(x * x, 160.0));
        return 0.5 * (1.0 + erf(x * SQRT_HALF)) + x * density;
    }
    let step = soft_step(SQRT_TWO_OVER_PI * x * (1.0 + GELU_CUBIC * x * x));
    let inner_slope = SQRT_TWO_OVER_PI * (1.0 + 3.0 * GELU_CUBIC * min(x * x, 400.0));  // σ′ is 0 beyond
    return step.x + 2.0 * x * step.y * inner_slope;
}
