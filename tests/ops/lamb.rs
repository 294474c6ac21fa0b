//! lamb: steps on every device against the paper's algorithm in f64, tensors without a length, steps that must not
//! happen, resuming.

use wgrad_engine::Device;
use wgrad_engine::device::Buffer;
use wgrad_engine::optimizer::{AdamW, AdamWSettings};
use wgrad_engine::testing::{assert_close, devices, normal, wide};
use wgrad_engine::weights::{Layout, Slot};

const RATE: f64 = 1e-2;

/// Two arenas: one tensor of three chunks, some of no whole quads, one that begins as zeros, gaps between them.
fn layout() -> Layout {
    Layout {
        arenas: vec![40_256, 128],
        parameters: vec![
            Slot { arena: 0, offset: 0, words: 70, decays: true },
            Slot { arena: 1, offset: 0, words: 5, decays: false },
            Slot { arena: 0, offset: 128, words: 40_000, decays: true },
            Slot { arena: 0, offset: 40_128, words: 65, decays: false },
            Slot { arena: 1, offset: 64, words: 64, decays: true },
        ],
    }
}

/// The tensor that begins as zeros.
const ZERO: usize = 1;

fn settings() -> AdamWSettings {
    AdamWSettings { weight_decay: 0.1, max_norm: None, ..AdamWSettings::lamb() }
}

/// Parameters and their optimizer.
struct Run {
    device: Device,
    values: Vec<Buffer>,
    optimizer: AdamW,
}

impl Run {
    fn new(device: &Device, settings: AdamWSettings) -> Self {
        let mut arenas = [normal(40_256, 1), normal(128, 2)];
        arenas[1][..5].fill(0.0);
        let values = arenas.iter().map(|values| device.upload_f32(values)).collect();
        let optimizer = AdamW::new(device, layout(), settings);
        Self { device: device.clone(), values, optimizer }
    }

    /// One step with the gradients of step `t`.
    fn step(&mut self, t: u64) {
        for parameter in 0..layout().parameters.len() {
            let gradient = self.device.upload_f32(&gradient(parameter, t));
            self.optimizer.accumulate(parameter, &gradient, 1.0);
        }
        self.optimizer.step(&mut self.values, RATE as f32);
    }

    fn values(&self) -> Vec<Vec<f32>> {
        self.values.iter().map(|values| self.device.read_f32(values)).collect()
    }

    /// The words of one parameter.
    fn tensor(&self, parameter: usize) -> Vec<f32> {
        let slot = layout().parameters[parameter];
        self.values()[slot.arena][slot.offset..][..slot.words].to_vec()
    }
}

fn gradient(parameter: usize, t: u64) -> Vec<f32> {
    normal(layout().parameters[parameter].words, 100 * t + parameter as u64)
}

/// Algorithm 2 of You et al. in f64, line by line, for one tensor; `clips` scale the gradient of each step.
fn paper(settings: &AdamWSettings, parameter: usize, start: &[f32], clips: &[f64]) -> Vec<f64> {
    let AdamWSettings { beta1, beta2, epsilon, weight_decay, .. } = *settings;
    let decay = if layout().parameters[parameter].decays { weight_decay } else { 0.0 };
    let length = |values: &[f64]| values.iter().map(|value| value * value).sum::<f64>().sqrt();
    let mut x = wide(start);
    let (mut m, mut v) = (vec![0.0; x.len()], vec![0.0; x.len()]);
    for (t, clip) in (1..).zip(clips) {
        let g = wide(&gradient(parameter, t));
        let mut update = vec![0.0; x.len()];
        for i in 0..x.len() {
            let g = clip * g[i];
            m[i] = beta1 * m[i] + (1.0 - beta1) * g;
            v[i] = beta2 * v[i] + (1.0 - beta2) * g * g;
            let m_hat = m[i] / (1.0 - beta1.powi(t as i32));
            let v_hat = v[i] / (1.0 - beta2.powi(t as i32));
            update[i] = m_hat / (v_hat.sqrt() + epsilon) + decay * x[i];
        }
        let (of_x, of_update) = (length(&x), length(&update));
        let ratio = if of_x > 0.0 && of_update > 0.0 { of_x / of_update } else { 1.0 };
        for (x, update) in x.iter_mut().zip(update) {
            *x -= RATE * ratio * update;
        }
    }
    x
}

/// The clip factors of the first steps: the length of the whole gradient is above 1 in each.
fn clips(steps: u64) -> Vec<f64> {
    let squares = |t: u64| -> f64 {
        let all = (0..layout().parameters.len()).flat_map(|parameter| gradient(parameter, t));
        all.map(|g| f64::from(g) * f64::from(g)).sum()
    };
    (1..=steps).map(|t| 1.0 / (squares(t).sqrt() + 1e-6)).collect()
}

#[test]
fn devices_follow_the_paper() {
    const STEPS: u64 = 4;
    let clipped = AdamWSettings { max_norm: Some(1.0), ..settings() };
    for device in devices() {
        for (settings, clips) in [(settings(), vec![1.0; 4]), (clipped, clips(STEPS))] {
            let mut run = Run::new(&device, settings);
            let before: Vec<Vec<f32>> = (0..5).map(|parameter| run.tensor(parameter)).collect();
            (1..=STEPS).for_each(|t| run.step(t));
            for (parameter, before) in before.iter().enumerate() {
                let expected = paper(&settings, parameter, before, &clips);
                let context = format!("{device:?} {:?}: {parameter}", settings.max_norm);
                assert_close(&run.tensor(parameter), &expected, 2e-6, &context);
            }
        }
    }
}

/// Whatever the scale of its gradient, a tensor moves by the learning rate times its length; one of length 0 by AdamW's.
#[test]
fn a_tensor_moves_by_its_length() {
    for device in devices() {
        let mut run = Run::new(&device, AdamWSettings { weight_decay: 0.0, ..settings() });
        let length = |values: &[f32]| wide(values).iter().map(|v| v * v).sum::<f64>().sqrt();
        let before: Vec<Vec<f32>> = (0..5).map(|parameter| run.tensor(parameter)).collect();
        run.step(1);
        for (parameter, before) in before.iter().enumerate() {
            let after = run.tensor(parameter);
            let moved: Vec<f32> = after.iter().zip(before).map(|(a, b)| a - b).collect();
            // The first step of AdamW is the sign of the gradient: of length √5 for five words.
            let expected = if parameter == ZERO { 5_f64.sqrt() } else { length(before) } * RATE;
            let error = (length(&moved) / expected - 1.0).abs();
            assert!(error < 1e-5, "{device:?} {parameter}: {} of {expected}", length(&moved));
        }
    }
}

/// The words between two tensors belong to none: they are in no length and never move.
#[test]
fn gaps_are_left_alone() {
    for device in devices() {
        let mut run = Run::new(&device, settings());
        let before = run.values();
        run.step(1);
        let after = run.values();
        for (arena, gap) in [(0, 70..128), (0, 40_193..40_256), (1, 5..64)] {
            assert_eq!(after[arena][gap.clone()], before[arena][gap], "{device:?} {arena}");
        }
    }
}

#[test]
fn a_gradient_that_is_not_finite_changes_nothing() {
    for device in devices() {
        let mut run = Run::new(&device, settings());
        run.step(1);
        let (values, state) = (run.values(), run.optimizer.state());
        let bad = device.upload_f32(&[1.0, f32::NAN, 0.0, f32::INFINITY, 0.0]);
        run.optimizer.accumulate(ZERO, &bad, 1.0);
        run.optimizer.step(&mut run.values, RATE as f32);
        assert_eq!(run.values(), values, "{device:?}");
        let after = run.optimizer.state();
        assert_eq!((after.first, after.second), (state.first, state.second), "{device:?}");
        assert_eq!(run.optimizer.norm().f32()[2], 0.0, "{device:?}");
    }
}

#[test]
fn a_restored_run_continues_bit_for_bit() {
    for device in devices() {
        let mut straight = Run::new(&device, AdamWSettings::lamb());
        (1..=2).for_each(|t| straight.step(t));
        let mut resumed = Run::new(&device, AdamWSettings::lamb());
        for (buffer, values) in resumed.values.iter_mut().zip(straight.values()) {
            device.write_f32(buffer, &values);
        }
        resumed.optimizer.restore(&straight.optimizer.state());
        straight.step(3);
        resumed.step(3);
        assert_eq!(straight.values(), resumed.values(), "{device:?}");
        assert_eq!(straight.optimizer.state(), resumed.optimizer.state(), "{device:?}");
    }
}

#[test]
fn twenty_runs_give_the_same_bits() {
    for device in devices() {
        let run = || {
            let mut run = Run::new(&device, AdamWSettings::lamb());
            (1..=2).for_each(|t| run.step(t));
            (run.values(), run.optimizer.state())
        };
        let first = run();
        assert!((1..20).all(|_| run() == first), "{device:?}");
    }
}
