//! adamw: one step on every device against the paper's formulas in f64, and steps that must not happen.

use wgrad_engine::device::{Device, Launch};
use wgrad_engine::kernels::adamw::{Params, Step};
use wgrad_engine::testing::{assert_close, devices, normal, wide};

const RATE: f64 = 3e-3;
const DECAY: f64 = 0.1;
const EPSILON: f64 = 1e-8;
const BETAS: [f64; 2] = [0.9, 0.999];

/// w, m and v after step `t`, as the device has them.
fn step(device: &Device, t: i32, state: [f32; 3], arena: &Arena) -> [Vec<f32>; 3] {
    let words = arena.values.len();
    let corrections = BETAS.map(|beta| 1.0 - beta.powi(t));
    let rates = [1.0 - RATE * DECAY, RATE / corrections[0], corrections[1].sqrt()];
    let (rates, state) = (device.upload_f32(&rates.map(|r| r as f32)), device.upload_f32(&state));
    let params = Params {
        words: words as u32,
        beta2: BETAS[1] as f32,
        gain1: (1.0 - BETAS[0]) as f32,
        gain2: (1.0 - BETAS[1]) as f32,
        epsilon: EPSILON as f32,
    };
    let mut outputs =
        [&arena.values, &arena.first, &arena.second].map(|values| device.upload_f32(values));
    let [values, first_moment, second_moment] = &mut outputs;
    let decay = device.upload_u32(&arena.decay);
    let gradient = device.upload_f32(&arena.gradient);
    device.run(
        Step {
            params,
            rates: &rates,
            state: &state,
            decay: &decay,
            gradient: &gradient,
            values,
            first_moment,
            second_moment,
        },
        Launch::lanes(words / 4, 256),
    );
    outputs.map(|buffer| device.read_f32(&buffer))
}

struct Arena {
    values: Vec<f32>,
    gradient: Vec<f32>,
    first: Vec<f32>,
    second: Vec<f32>,
    decay: Vec<u32>,
}

/// Blocks of 64 words of which `decay` marks some.
fn arena(blocks: usize, decay: Vec<u32>) -> Arena {
    let n = 64 * blocks;
    let second = normal(n, 4).iter().map(|v| v * v).collect();
    let (values, gradient, first) = (normal(n, 1), normal(n, 2), normal(n, 3));
    Arena { values, gradient, first, second, decay }
}

/// Algorithm 2 of Loshchilov & Hutter in f64, line by line (with schedule multiplier η = 1 and decay η·λ).
fn paper(t: i32, clip: f64, arena: &Arena) -> [Vec<f64>; 3] {
    let mut outputs = [wide(&arena.values), wide(&arena.first), wide(&arena.second)];
    for (at, g) in wide(&arena.gradient).into_iter().enumerate() {
        let block = at / 64;
        let decays = arena.decay[block / 32] & (1 << (block % 32)) != 0;
        let [w, m, v] = outputs.each_mut().map(|output| &mut output[at]);
        let g = clip * g;
        *m = BETAS[0] * *m + (1.0 - BETAS[0]) * g;
        *v = BETAS[1] * *v + (1.0 - BETAS[1]) * g * g;
        let m_hat = *m / (1.0 - BETAS[0].powi(t));
        let v_hat = *v / (1.0 - BETAS[1].powi(t));
        let pull = if decays { DECAY * *w } else { 0.0 };
        *w -= RATE * (m_hat / (v_hat.sqrt() + EPSILON) + pull);
    }
    outputs
}

#[test]
fn devices_follow_the_paper() {
    let cases = [(1, vec![1]), (3, vec![0b101]), (40, vec![0xAAAA_0001, 0b1000_0001])];
    for device in devices() {
        for (blocks, decay) in &cases {
            let arena = arena(*blocks, decay.clone());
            for (t, clip) in [(1, 1.0), (1, 0.25), (1000, 0.5)] {
                let actual = step(&device, t, [2.0, clip, 1.0], &arena);
                let expected = paper(t, clip.into(), &arena);
                for (at, name) in ["w", "m", "v"].iter().enumerate() {
                    let context = format!("{device:?} {blocks} blocks, t = {t}: {name}");
                    assert_close(&actual[at], &expected[at], 1e-6, &context);
                }
            }
        }
    }
}

/// From zero moments the first step moves every weight by the learning rate against its gradient's sign.
#[test]
fn the_first_step_is_the_sign() {
    for device in devices() {
        let mut arena = arena(2, vec![0]);
        arena.first.fill(0.0);
        arena.second.fill(0.0);
        let [values, ..] = step(&device, 1, [1.0, 1.0, 1.0], &arena);
        let expected: Vec<f64> = (arena.values.iter().zip(&arena.gradient))
            .map(|(&w, &g)| f64::from(w) - RATE * f64::from(g.signum()))
            .collect();
        assert_close(&values, &expected, 1e-6, &format!("{device:?}"));
    }
}

#[test]
fn a_gradient_that_is_not_finite_changes_nothing() {
    for device in devices() {
        let mut arena = arena(2, vec![3]);
        arena.gradient[5] = f32::NAN;
        let actual = step(&device, 1, [f32::NAN, 1.0, 0.0], &arena);
        assert_eq!(actual, [arena.values, arena.first, arena.second], "{device:?}");
    }
}
