//! The pool: reuse, views, and uploads that must not overtake what is recorded.

use wgrad::data::MlmBatch;
use wgrad::train::cost::{Products, Work};
use wgrad::train::objective::{MlmObjective, Objective};
use wgrad_engine::device::Format;
use wgrad_engine::optimizer::{AdamW, AdamWSettings, Scaling};
use wgrad_engine::testing::devices;
use wgrad_engine::{Device, Tensor, ops::add};
use wgrad_models::Mode;
use wgrad_models::bert::Config;

#[test]
fn a_stable_loop_allocates_nothing_after_its_second_step() {
    for device in devices() {
        let x = Tensor::f32(&device, [1000], &[1.0; 1000]);
        let mut created = Vec::new();
        for _ in 0..5 {
            let y = add(&add(&x, &x), &x);
            assert_eq!(y.to_f32(), [3.0; 1000]);
            created.push(device.memory().created);
        }
        assert_eq!(created[1], created[4], "{device:?}: {created:?}");
    }
}

#[test]
fn an_upload_does_not_overtake_recorded_work() {
    for device in devices() {
        let mut x = Tensor::f32(&device, [64], &[1.0; 64]);
        let before = add(&x, &x);
        device.write_f32(x.buffer_mut(), &[10.0; 64]);
        let after = add(&x, &x);
        assert_eq!(before.to_f32(), [2.0; 64], "{device:?}");
        assert_eq!(after.to_f32(), [20.0; 64], "{device:?}");
    }
}

#[test]
fn a_view_is_a_range_of_its_buffer() {
    for device in devices() {
        let values: Vec<f32> = (0..200).map(|i| i as f32).collect();
        let arena = device.upload_f32(&values);
        let view = Tensor::new(&device, [50], arena.view(128, 50));
        let doubled: Vec<f32> = values[128..178].iter().map(|v| 2.0 * v).collect();
        assert_eq!(add(&view, &view).to_f32(), doubled, "{device:?}");
        assert_eq!(view.to_f32(), values[128..178], "{device:?}");
    }
}

#[test]
fn live_bytes_follow_the_handles() {
    for device in devices() {
        let before = device.memory().live;
        let x = device.buffer(1 << 16);
        assert_eq!(device.memory().live - before, 1 << 18);
        drop(x);
        assert_eq!(device.memory().live, before);
    }
}

/// BERT-tiny over 1,000 words, a batch of 4 × 64 tokens of which every seventh is labelled.
///
/// The peak of its steps is, by formula (see [`Work::activation_words`]), four times the parameters (values, gradients,
/// two moments) and what the graph holds: with N = B·T and R labels, the larger of
/// `L·(8·N·H + 2·N·F + N·A + 4·N) + 2·N·H + 2·N + 4·R·H + V·H + V + max(R·V, 2·N·F + 2·N·H)`, when backward begins,
/// and `P + 2·V·H + 4·N·H`, when it ends.
#[test]
fn training_allocates_nothing_after_its_second_step_and_peaks_as_the_formula_says() {
    let config = Config {
        vocab_size: 1000,
        hidden_size: 128,
        num_hidden_layers: 2,
        num_attention_heads: 2,
        intermediate_size: 512,
        max_position_embeddings: 64,
        ..Config::default()
    };
    let batch = fixed_batch(4, 64, 1000);
    for device in devices() {
        // 20 steps show a leak as well as 200; an emulated GPU takes its time.
        let steps = if device.is_cpu() { 200 } else { 20 };
        for format in [Format::Word, Format::Half] {
            if !device.supports(format) {
                continue;
            }
            let before = device.memory().created;
            let (created, parameters) = train(&device, &config, &batch, (steps, format));
            assert!(
                created[1..].iter().all(|&count| count == created[1]),
                "{device:?} {format:?}: buffers after each step: {created:?}, {before} before"
            );
            let labels = batch.labels.len();
            let (config, objective) = (&config, Products::Mlm);
            let work = Work { config, rows: 4, tokens: 64, labels, objective, format };
            let (peak, formula) =
                (device.memory().peak, work.memory(parameters).expect("a formula").total());
            let ratio = peak as f64 / formula as f64;
            eprintln!("{device:?} {format:?}: peak {peak} bytes, {ratio:.3} of the formula");
            let fits = (0.85..=1.15).contains(&ratio);
            assert!(fits, "{device:?} {format:?}: {peak} bytes, {ratio} of {formula}");
        }
    }
}

/// `rows` × `tokens` of `vocabulary` words, in an order that repeats none too often.
fn fixed_batch(rows: usize, tokens: usize, vocabulary: usize) -> MlmBatch {
    let id = |at: usize| (at * 389 % vocabulary) as u32;
    let original_ids: Vec<u32> = (0..rows * tokens).map(id).collect();
    let label_positions: Vec<u32> = (0..(rows * tokens) as u32).step_by(7).collect();
    let labels = label_positions.iter().map(|&at| original_ids[at as usize]).collect();
    MlmBatch {
        rows,
        tokens,
        input_ids: original_ids.clone(),
        original_ids,
        lengths: vec![tokens as u32; rows],
        label_positions,
        labels,
    }
}

/// Buffers ever created after each step, and the number of parameters.
fn train(
    device: &Device,
    config: &Config,
    batch: &MlmBatch,
    (steps, format): (u32, Format),
) -> (Vec<u64>, usize) {
    let mut objective = MlmObjective::new(device, config.clone(), 1);
    let layout = objective.weights().layout().clone();
    let scaling = (format == Format::Half).then(Scaling::default);
    let settings = AdamWSettings { scaling, ..AdamWSettings::default() };
    let mut optimizer = AdamW::new(device, layout, settings);
    let mut key = Tensor::u32(device, [2], &[0, 0]);
    let mut created = Vec::new();
    device.reset_peak();
    for step in 0..steps {
        device.write_u32(key.buffer_mut(), &[step, 0]);
        let mode = Mode::training(&key).storing(format);
        let terms = objective.terms(device, batch, &mode).expect("ids are words");
        let loss = terms.loss.read_later();
        let gradients = terms.loss.backward_with(&optimizer.loss_scale());
        let gradients = objective.weights().gradients(gradients);
        for (parameter, gradient) in gradients.iter().enumerate() {
            let gradient = gradient.as_ref().expect("the loss depends on every parameter");
            optimizer.accumulate(parameter, gradient.buffer(), 1.0);
        }
        optimizer.step(objective.weights_mut().arenas_mut(), 1e-3);
        assert!(loss.f32()[0].is_finite(), "{device:?}: step {step}");
        created.push(device.memory().created);
    }
    (created, objective.weights().elements())
}
