//! adamw with its sum of squares: seven words a parameter, and one more for the norm.

use wgrad_engine::Device;
use wgrad_engine::optimizer::{AdamW, AdamWSettings};
use wgrad_engine::testing::bench::{Case, Run};
use wgrad_engine::testing::normal;
use wgrad_engine::weights::{Layout, Slot};

/// A parameter of every second block decays, as weights and biases alternate.
const SLOT: usize = 4096;

/// All parameters of BERT-tiny, and a tenth of BERT-base's.
pub fn cases() -> Vec<Case> {
    [("bert_tiny", 1072), ("bert_base_tenth", 2688)].map(case).into()
}

fn case((name, slots): (&'static str, usize)) -> Case {
    let words = (slots * SLOT) as u64;
    Case {
        stem: "adamw",
        name,
        shape: format!("[{words}]"),
        flops: 17 * words,
        words: 8 * words,
        prepare: Box::new(move |device| prepare(device, slots)),
    }
}

fn prepare(device: &Device, slots: usize) -> Run {
    let slot =
        |at: usize| Slot { arena: 0, offset: at * SLOT, words: SLOT, decays: at.is_multiple_of(2) };
    let layout = Layout { arenas: vec![slots * SLOT], parameters: (0..slots).map(slot).collect() };
    let settings = AdamWSettings { weight_decay: 0.0, ..AdamWSettings::default() };
    let mut optimizer = AdamW::new(device, layout, settings);
    let start = normal(slots * SLOT, 1);
    let mut values = vec![device.upload_f32(&start)];
    let gradient = normal(SLOT, 2);
    let uploaded = device.upload_f32(&gradient);
    optimizer.accumulate(0, &uploaded, 1.0);
    optimizer.step(&mut values, 1.0);
    // The first step moves by the sign of the gradient, wherever it is not tiny.
    let moved = device.read_f32(&values[0]);
    let errors = (0..SLOT)
        .filter(|&at| gradient[at].abs() > 0.01)
        .map(|at| f64::from((start[at] - moved[at] - gradient[at].signum()).abs()));
    let error = errors.fold(0.0, f64::max);
    let step = move || {
        for parameter in 0..slots {
            optimizer.accumulate(parameter, &uploaded, 1.0);
        }
        optimizer.step(&mut values, 1e-4);
    };
    Run {
        step: Box::new(step),
        error,
        workspace_bytes: 4 * ((slots * SLOT) as u64).div_ceil(16_384),
    }
}
