// gelu — the Gaussian error linear unit and its slope, in both of its forms.
//
// math      erf form   y = x·Φ(x),  Φ(x) = (1 + erf(x/√2))/2,  y′ = Φ(x) + x·exp(−x²/2)/√(2π)
//           tanh form  y = x·(1 + τ)/2,  τ = tanh(u),  u = √(2/π)·(x + 0.044715·x³),
//                      y′ = (1 + τ)/2 + x·(1 − τ²)/2·√(2/π)·(1 + 3·0.044715·x²)
// source    Hendrycks & Gimpel 2016, arXiv:1606.08415, §2; erf: N. Juffa, stackoverflow.com/a/35148199 (BSD-2)
// numerics  |erf error| ≤ 7e-8 in exact f32 arithmetic with a correctly rounded exp; WGSL has no erf

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

// tanh(x) that neither overflows nor makes NaN: exp sees at most 20 (tanh(10) rounds to 1).
fn safe_tanh(x: f32) -> f32 {
    return sign(x) * (1.0 - 2.0 / (exp(2.0 * min(abs(x), 10.0)) + 1.0));
}

fn gelu(x: f32, form: u32) -> f32 {
    if form == GELU_ERF {
        return 0.5 * x * (1.0 + erf(x * SQRT_HALF));
    }
    return 0.5 * x * (1.0 + safe_tanh(SQRT_TWO_OVER_PI * x * (1.0 + GELU_CUBIC * x * x)));
}

// d gelu(x) / dx.
fn gelu_slope(x: f32, form: u32) -> f32 {
    if form == GELU_ERF {
        let density = INVERSE_SQRT_TAU * exp(-0.5 * min(x * x, 160.0));
        return 0.5 * (1.0 + erf(x * SQRT_HALF)) + x * density;
    }
    let tau = safe_tanh(SQRT_TWO_OVER_PI * x * (1.0 + GELU_CUBIC * x * x));
    let inner = SQRT_TWO_OVER_PI * (1.0 + 3.0 * GELU_CUBIC * x * x);
    return 0.5 * (1.0 + tau) + 0.5 * x * (1.0 - tau * tau) * inner;
}
