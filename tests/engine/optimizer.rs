//! AdamW over arenas: microbatches, missing gradients, skipped steps, resuming.

use wgrad_engine::Device;
use wgrad_engine::device::Buffer;
use wgrad_engine::optimizer::{AdamW, AdamWSettings, Scaling};
use wgrad_engine::testing::{devices, normal};
use wgrad_engine::weights::{Layout, Slot};

/// Two arenas, three parameters, gaps between them.
fn layout() -> Layout {
    Layout {
        arenas: vec![192, 64],
        parameters: vec![
            Slot { arena: 0, offset: 0, words: 70, decays: true },
            Slot { arena: 0, offset: 128, words: 5, decays: false },
            Slot { arena: 1, offset: 0, words: 64, decays: true },
        ],
    }
}

/// Parameters and their optimizer.
struct Run {
    device: Device,
    values: Vec<Buffer>,
    optimizer: AdamW,
}

impl Run {
    fn new(device: &Device) -> Self {
        let optimizer = AdamW::new(device, layout(), AdamWSettings::default());
        let values = vec![device.upload_f32(&normal(192, 1)), device.upload_f32(&normal(64, 2))];
        Self { device: device.clone(), values, optimizer }
    }

    fn accumulate(&mut self, parameter: usize, gradient: &[f32], factor: f32) {
        let gradient = self.device.upload_f32(gradient);
        self.optimizer.accumulate(parameter, &gradient, factor);
    }

    /// One step with a gradient of `seed` for every parameter.
    fn step(&mut self, seed: u64) {
        for (parameter, slot) in layout().parameters.iter().enumerate() {
            self.accumulate(parameter, &normal(slot.words, seed + parameter as u64), 1.0);
        }
        self.optimizer.step(&mut self.values, 1e-2);
    }

    fn values(&self) -> Vec<Vec<f32>> {
        self.values.iter().map(|values| self.device.read_f32(values)).collect()
    }
}

/// Two microbatches of weight ½ are one batch of their mean.
#[test]
fn microbatches_add_up() {
    for device in devices() {
        let (mut whole, mut halves) = (Run::new(&device), Run::new(&device));
        for _ in 0..2 {
            for (parameter, slot) in layout().parameters.iter().enumerate() {
                let (a, b) = (normal(slot.words, 7), normal(slot.words, 8));
                // 0.5·(a + b): the halves are exact, so both sums round alike.
                let mean: Vec<f32> = a.iter().zip(&b).map(|(a, b)| 0.5 * a + 0.5 * b).collect();
                whole.accumulate(parameter, &mean, 1.0);
                halves.accumulate(parameter, &a, 0.5);
                halves.accumulate(parameter, &b, 0.5);
            }
            whole.optimizer.step(&mut whole.values, 1e-2);
            halves.optimizer.step(&mut halves.values, 1e-2);
        }
        assert_eq!(whole.values(), halves.values(), "{device:?}");
        assert_ne!(whole.values(), Run::new(&device).values(), "{device:?}");
    }
}

/// What a parameter gathered last step is no part of this one, and the gap behind a parameter has no gradient: it
/// would be part of the norm.
#[test]
fn a_missing_gradient_is_zero() {
    for device in devices() {
        let (mut missing, mut zero) = (Run::new(&device), Run::new(&device));
        missing.step(3);
        zero.step(3);
        zero.accumulate(1, &[0.0; 5], 1.0);
        for run in [&mut missing, &mut zero] {
            run.accumulate(0, &normal(70, 9), 1.0);
            run.accumulate(2, &normal(64, 10), 1.0);
            run.optimizer.step(&mut run.values, 1e-2);
        }
        assert_eq!(missing.values(), zero.values(), "{device:?}");
        assert_eq!(missing.values()[0][133..], normal(192, 1)[133..], "{device:?}: a gap moved");
    }
}

/// The norm is over all arenas, clipped at 1; a NaN skips the step on the device and the next one goes on.
#[test]
fn norms_are_read_later_and_bad_steps_are_skipped() {
    for device in devices() {
        let mut run = Run::new(&device);
        run.step(3);
        let reading = run.optimizer.norm();
        run.step(4);
        let [norm, clip, finite] = reading.f32().try_into().expect("three words");
        let parameters = layout().parameters;
        let squares = parameters.iter().enumerate().flat_map(|(parameter, slot)| {
            normal(slot.words, 3 + parameter as u64).into_iter().map(|g| f64::from(g).powi(2))
        });
        let exact = squares.sum::<f64>().sqrt();
        assert!((f64::from(norm) / exact - 1.0).abs() < 1e-6, "{device:?}: {norm}, not {exact}");
        assert!((f64::from(clip) * exact - 1.0).abs() < 1e-6, "{device:?}: clip {clip}");
        assert_eq!(finite, 1.0, "{device:?}");

        let before = run.values();
        run.accumulate(1, &[1.0, f32::NAN, 0.0, 0.0, 0.0], 1.0);
        run.optimizer.step(&mut run.values, 1e-2);
        assert_eq!(run.optimizer.norm().f32()[2], 0.0, "{device:?}");
        assert_eq!(run.values(), before, "{device:?}");
        run.step(5);
        assert_ne!(run.values(), before, "{device:?}");
    }
}

/// Gradients of a loss that was multiplied by S move parameters as those of the loss itself do, to the bit: S is a power
/// of two. A gradient that overflows halves S and moves nothing; so many steps without one double it.
#[test]
fn a_scaled_loss_gives_the_same_step() {
    for device in devices() {
        let mut plain = Run::new(&device);
        let scaling = Some(Scaling { initial: 1024.0, growth_steps: 2 });
        let settings = AdamWSettings { scaling, ..AdamWSettings::default() };
        let mut scaled =
            Run { optimizer: AdamW::new(&device, layout(), settings), ..Run::new(&device) };
        let scale = |run: &Run| run.optimizer.loss_scale().to_f32()[0];
        for (step, expected) in [(3, 1024.0), (4, 1024.0), (5, 2048.0), (6, 2048.0), (7, 4096.0)] {
            assert_eq!(scale(&scaled), expected, "{device:?} step {step}");
            plain.step(step);
            for (parameter, slot) in layout().parameters.iter().enumerate() {
                let gradient = normal(slot.words, step + parameter as u64);
                scaled.accumulate(parameter, &gradient, expected);
            }
            scaled.optimizer.step(&mut scaled.values, 1e-2);
            assert_eq!(scaled.values(), plain.values(), "{device:?} step {step}");
            assert_eq!(scaled.optimizer.norm().f32()[0], plain.optimizer.norm().f32()[0]);
        }
        let before = scaled.values();
        scaled.accumulate(1, &[f32::INFINITY, 0.0, 0.0, 0.0, 0.0], 1.0);
        scaled.optimizer.step(&mut scaled.values, 1e-2);
        assert_eq!((scale(&scaled), scaled.values()), (2048.0, before), "{device:?}");
    }
}

#[test]
fn a_restored_run_continues_bit_for_bit() {
    for device in devices() {
        let mut straight = Run::new(&device);
        straight.step(3);
        straight.step(4);
        let mut resumed = Run::new(&device);
        for (buffer, values) in resumed.values.iter_mut().zip(straight.values()) {
            device.write_f32(buffer, &values);
        }
        resumed.optimizer.restore(&straight.optimizer.state());
        assert_eq!(resumed.optimizer.steps(), 2);
        straight.step(5);
        resumed.step(5);
        assert_eq!(straight.values(), resumed.values(), "{device:?}");
        assert_eq!(straight.optimizer.state(), resumed.optimizer.state(), "{device:?}");
    }
}

#[test]
#[should_panic(expected = "AdamW: parameter 0 lies at")]
fn a_parameter_outside_its_arena_is_refused() {
    let slot = Slot { arena: 0, offset: 64, words: 1, decays: true };
    let layout = Layout { arenas: vec![64], parameters: vec![slot] };
    AdamW::new(&Device::cpu(), layout, AdamWSettings::default());
}
