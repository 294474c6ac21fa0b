//! lamb with its sum of squares: ten words a parameter, one more for the norm, and two to gather its gradient.

use wgrad_engine::Device;
use wgrad_engine::optimizer::{AdamW, AdamWSettings};
use wgrad_engine::testing::bench::{Case, Run};
use wgrad_engine::testing::{normal, relative_error, wide};
use wgrad_engine::weights::{Layout, Slot};

/// Words of one parameter: about as many parameters as the models have. Every second one decays.
const SLOT: usize = 65_536;
/// Words of one chunk, as in `engine/src/optimizer.rs`.
const CHUNK: u64 = 16_384;

/// All parameters of BERT-tiny, and a tenth of BERT-base's.
pub fn cases() -> Vec<Case> {
    [("bert_tiny", 67), ("bert_base_tenth", 168)].map(case).into()
}

fn case((name, slots): (&'static str, usize)) -> Case {
    let words = (slots * SLOT) as u64;
    Case {
        stem: "lamb",
        name,
        shape: format!("[{words}]"),
        flops: 32 * words,
        words: 13 * words,
        prepare: Box::new(move |device| prepare(device, slots)),
    }
}

fn prepare(device: &Device, slots: usize) -> Run {
    let slot =
        |at: usize| Slot { arena: 0, offset: at * SLOT, words: SLOT, decays: at.is_multiple_of(2) };
    let layout = Layout { arenas: vec![slots * SLOT], parameters: (0..slots).map(slot).collect() };
    let settings = AdamWSettings { weight_decay: 0.0, max_norm: None, ..AdamWSettings::lamb() };
    let mut optimizer = AdamW::new(device, layout, settings);
    let start = normal(slots * SLOT, 1);
    let mut values = vec![device.upload_f32(&start)];
    let gradient = normal(SLOT, 2);
    let uploaded = device.upload_f32(&gradient);
    optimizer.accumulate(0, &uploaded, 1.0);
    optimizer.step(&mut values, 1.0);
    // The first step is u = g/(|g| + ε), as long as w.
    let step: Vec<f64> = wide(&gradient).iter().map(|g| g / (g.abs() + settings.epsilon)).collect();
    let length = |values: &[f64]| values.iter().map(|value| value * value).sum::<f64>().sqrt();
    let before = wide(&start[..SLOT]);
    let ratio = length(&before) / length(&step);
    let expected: Vec<f64> = before.iter().zip(&step).map(|(w, u)| w - ratio * u).collect();
    let error = relative_error(&device.read_f32(&values[0])[..SLOT], &expected);
    let step = move || {
        for parameter in 0..slots {
            optimizer.accumulate(parameter, &uploaded, 1.0);
        }
        optimizer.step(&mut values, 1e-4);
    };
    let chunks = ((slots * SLOT) as u64).div_ceil(CHUNK);
    // The partial sums of both norms, those of the gradient's, and the ratios.
    Run { step: Box::new(step), error, workspace_bytes: 4 * (3 * chunks + slots as u64) }
}
