//! multiply_add: what the roofline's flat part is measured by.

use wgrad_engine::Device;
use wgrad_engine::ops::multiply_add;
use wgrad_engine::params::multiply_add::Params;
use wgrad_engine::reference::multiply_add as twin;
use wgrad_engine::testing::bench::{Case, Run};
use wgrad_engine::testing::{normal, relative_error, wide};

/// Elements and rounds: long chains.
const ELEMENTS: usize = 1 << 16;
const ROUNDS: u32 = 64;

/// One case: it moves next to nothing.
pub fn cases() -> Vec<Case> {
    let n = ELEMENTS as u64;
    vec![Case {
        stem: "multiply_add",
        name: "registers",
        shape: format!("[{ELEMENTS}], {ROUNDS} rounds"),
        flops: 2 * (twin::CHAINS * twin::STEPS) as u64 * u64::from(ROUNDS) * n,
        words: 2 * n,
        prepare: Box::new(prepare),
    }]
}

fn prepare(device: &Device) -> Run {
    let start = normal(ELEMENTS, 1);
    let (x, mut y) = (device.upload_f32(&start), device.buffer(ELEMENTS));
    multiply_add(device, &x, &mut y, ROUNDS);
    let error = error(&start[..256], &device.read_f32(&y)[..256]);
    let device = device.clone();
    let step = Box::new(move || multiply_add(&device, &x, &mut y, ROUNDS));
    Run { step, error, workspace_bytes: 0 }
}

fn error(x: &[f32], actual: &[f32]) -> f64 {
    let params = Params { elements: x.len() as u32, rounds: ROUNDS, factor: 0.9375, shift: 0.0625 };
    let mut expected = vec![0.0; x.len()];
    twin::forward(&params, &wide(x), &mut expected);
    relative_error(actual, &expected)
}
