//! The gradient cache: the losses and gradients of the whole batch, dropout and all, in the memory of a part of it.

use serde_json::json;
use wgrad::data::{MlmBatch, PairBatch, TokenBatch};
use wgrad::train::objective::{CoCondenserObjective, ContrastiveObjective, Objective, Pretraining};
use wgrad::train::recipe::Recipe;
use wgrad_engine::testing::devices;
use wgrad_engine::{Device, Gradients, Tensor};
use wgrad_models::bert::Config;
use wgrad_models::{Mode, Pooling, Similarity};

const VOCABULARY: usize = 61;
/// Dropout's key.
const KEY: [u32; 2] = [7, 9];
/// Of losses relative to max(|loss|, 1), of gradients relative to the largest of all tensors: weights are summed over chunks
/// in another order than over all rows, and so rounded otherwise.
const ROUNDING: f64 = 1e-6;
/// Of a gradient relative to the largest of its own tensor: a fifth of what the CPU may be from the truth. Tensors below
/// [`ROUNDING`] are zero in theory, as key biases are, and hold noise.
const OF_TENSOR: f64 = 1e-5;

/// Losses, and every gradient, of one batch.
struct Step {
    losses: Vec<(&'static str, f32)>,
    gradients: Vec<Option<Vec<f32>>>,
}

/// Two batches under one mode, as `accumulate` = 2 has them: the second begins where the first left off.
fn two_steps<O: Objective>(objective: &O, batch: &O::Batch) -> [Step; 2] {
    let device = objective.weights().device().clone();
    let (key, scale) = (Tensor::u32(&device, [2], &KEY), Tensor::f32(&device, [], &[1.0]));
    let mode = Mode::training(&key);
    [0, 1].map(|_| {
        let mut gradients = vec![None; objective.weights().params().len()];
        let mut gather = |part: Gradients| {
            for (sum, part) in gradients.iter_mut().zip(objective.weights().gradients(part)) {
                let Some(part) = part.map(|part| part.to_f32()) else { continue };
                let sum: &mut Vec<f32> = sum.get_or_insert_with(|| vec![0.0; part.len()]);
                sum.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
            }
        };
        let losses = objective.backward(&device, batch, (&mode, &scale), &mut gather);
        let losses = losses.expect("ids are words");
        let losses = losses.iter().map(|(name, loss)| (*name, loss.to_f32()[0])).collect();
        Step { losses, gradients }
    })
}

/// How far `step` is from `whole`: losses, gradients relative to the largest of all, and to that of their tensors.
fn distance(step: &Step, whole: &Step) -> [f64; 3] {
    let names = |step: &Step| step.losses.iter().map(|(name, _)| *name).collect::<Vec<_>>();
    assert_eq!(names(step), names(whole));
    let loss = |(a, b): (&(&str, f32), &(&str, f32))| {
        f64::from((a.1 - b.1).abs()) / f64::from(b.1.abs()).max(1.0)
    };
    let loss = step.losses.iter().zip(&whole.losses).map(loss).fold(0.0, f64::max);
    let most =
        |values: &[f32]| values.iter().fold(0.0, |most: f64, x| most.max(f64::from(x.abs())));
    let largest = whole.gradients.iter().flatten().map(|g| most(g)).fold(0.0, f64::max);
    let (mut of_all, mut of_tensor) = (0.0_f64, 0.0_f64);
    for (a, b) in step.gradients.iter().zip(&whole.gradients) {
        assert_eq!(a.is_some(), b.is_some(), "a gradient is missing");
        let (Some(a), Some(b)) = (a, b) else { continue };
        let error = most(&a.iter().zip(b).map(|(a, b)| a - b).collect::<Vec<_>>());
        of_all = of_all.max(error / largest);
        if most(b) > ROUNDING * largest {
            of_tensor = of_tensor.max(error / most(b));
        }
    }
    [loss, of_all, of_tensor]
}

/// What sums in another order may differ by, as a share of the largest gradient. Those of XLNet are longer: a gradient of
/// a distance is a sum over all pairs of tokens so far apart, in every text of a batch. 1.2e-6 was seen at chunks of 1.
fn of_sums(context: &str) -> f64 {
    if context.starts_with("xlnet") { 4.0 * ROUNDING } else { ROUNDING }
}

/// Checks every chunk size up to all rows, of which the last gives the same bits.
fn check<O: Objective>(
    context: &str,
    (objective, batch): (&mut O, &O::Batch),
    rows: usize,
    set_chunk: impl Fn(&mut O, Option<usize>),
) {
    set_chunk(objective, None);
    let whole = two_steps(objective, batch);
    assert_ne!(whole[0].losses, whole[1].losses, "{context}: the second batch has the same masks");
    for chunk in 1..=rows {
        set_chunk(objective, Some(chunk));
        for (step, whole) in two_steps(objective, batch).iter().zip(&whole) {
            let context = format!("{context}, chunks of {chunk}");
            let [loss, of_all, of_tensor] = distance(step, whole);
            eprintln!(
                "{context}: {loss:.1e}, gradients {of_all:.1e}, of their tensors {of_tensor:.1e}"
            );
            assert!(loss <= ROUNDING, "{context}: losses are off by {loss:.1e}");
            assert!(of_all <= of_sums(&context), "{context}: gradients are off by {of_all:.1e}");
            assert!(
                of_tensor <= OF_TENSOR,
                "{context}: gradients of a tensor are off by {of_tensor:.1e}"
            );
            if chunk == rows {
                assert_eq!(loss.max(of_all), 0.0, "{context}: one chunk is the whole");
            }
        }
    }
}

fn config(model_type: &str) -> Config {
    let config = json!({
        "vocab_size": VOCABULARY, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
        "intermediate_size": 24, "max_position_embeddings": 24, "initializer_range": 0.3,
        "model_type": model_type, "d_model": 16, "n_layer": 2, "n_head": 2, "d_inner": 24,
    });
    // XLNet reads its keys where those of other architectures are kept: the whole object, as of a file.
    let rest = config.as_object().expect("an object").clone();
    Config { rest, ..serde_json::from_value(config).expect("a configuration") }
}

/// Rows of ids, padded with 0; text `row` has `lengths[row]` of them.
fn texts(lengths: &[u32], tokens: usize, seed: usize) -> TokenBatch {
    let id = |row: usize, at: usize| match at < lengths[row] as usize {
        true => (2 + (seed + 31 * row + 7 * at * (at + row)) % (VOCABULARY - 2)) as u32,
        false => 0,
    };
    let rows = lengths.len();
    let input_ids = (0..rows * tokens).map(|at| id(at / tokens, at % tokens)).collect();
    TokenBatch { rows, tokens, input_ids, lengths: lengths.to_vec() }
}

/// Spans of which every third token is to be guessed, but for the third span, where none is.
fn spans(lengths: &[u32], tokens: usize) -> MlmBatch {
    let TokenBatch { rows, input_ids, lengths, .. } = texts(lengths, tokens, 5);
    let is_label = |at: &usize| {
        let (row, token) = (at / tokens, at % tokens);
        row != 2 && token % 3 == 1 && token < lengths[row] as usize
    };
    let places: Vec<usize> = (0..rows * tokens).filter(is_label).collect();
    MlmBatch {
        rows,
        tokens,
        original_ids: input_ids.clone(),
        label_positions: places.iter().map(|&at| at as u32).collect(),
        labels: places.iter().map(|at| (at * 17 % VOCABULARY) as u32).collect(),
        input_ids,
        lengths,
    }
}

fn cocondenser(device: &Device, config: Config) -> CoCondenserObjective {
    let mut recipe = Recipe::default();
    recipe.set("mlm_scale=0.7").expect("a setting");
    CoCondenserObjective::from_recipe(device, config, &mut recipe, 3).expect("a configuration")
}

#[test]
fn every_chunk_size_of_cocondenser_gives_the_gradients_of_the_whole_batch() {
    let batch = spans(&[11, 7, 5, 9, 11, 8], 11);
    for device in devices() {
        let mut objective = cocondenser(&device, config("bert"));
        check(&format!("{device:?}"), (&mut objective, &batch), 6, |objective, chunk| {
            objective.cache_chunk = chunk;
        });
    }
}

#[test]
fn every_chunk_size_of_contrastive_learning_gives_the_gradients_of_the_whole_batch() {
    let (query, passage) = (texts(&[5, 7, 3], 7, 1), texts(&[11, 6, 9, 10, 4, 11], 11, 2));
    let (passage_ids, target) = ((0..6).collect(), vec![0, 2, 4]);
    let batch =
        PairBatch { query, passage, passage_ids, target, group_size: 2, ..PairBatch::default() };
    for device in devices() {
        for (model_type, pooling) in [("bert", Pooling::Cls), ("xlnet", Pooling::Mean)] {
            let how = (pooling, Similarity::Cosine);
            let objective =
                ContrastiveObjective::new(&device, config(model_type), how, (0.2, 2), 3);
            let mut objective = objective.expect("a configuration");
            let context = format!("{model_type} on {device:?}");
            check(&context, (&mut objective, &batch), 6, |objective, chunk| {
                objective.cache_chunk = chunk;
            });
        }
    }
}

/// 16 spans of 32 tokens through four layers, two at a time: what the graph of two holds is the most that is held.
#[test]
fn memory_is_that_of_one_chunk() {
    let changes = json!({
        "hidden_size": 64, "intermediate_size": 256, "num_hidden_layers": 4, "max_position_embeddings": 32,
    });
    let mut json = serde_json::to_value(config("bert")).expect("a configuration is JSON");
    json.as_object_mut()
        .expect("an object")
        .extend(changes.as_object().expect("an object").clone());
    let config: Config = serde_json::from_value(json).expect("a configuration");
    let (all, two) = (spans(&[32; 16], 32), spans(&[32; 2], 32));
    for device in devices() {
        let mut objective = cocondenser(&device, config.clone());
        let mut peak = |chunk: Option<usize>, batch: &MlmBatch| {
            objective.cache_chunk = chunk;
            let (key, scale) = (Tensor::u32(&device, [2], &KEY), Tensor::f32(&device, [], &[1.0]));
            let before = device.memory().live;
            device.reset_peak();
            let mode = Mode::training(&key);
            let losses = objective.backward(&device, batch, (&mode, &scale), &mut |_| {});
            assert!(losses.expect("ids are words")[0].1.to_f32()[0].is_finite());
            (device.memory().peak - before) as f64
        };
        let (whole, part, cached) = (peak(None, &all), peak(None, &two), peak(Some(2), &all));
        eprintln!("{device:?}: {whole} bytes, of one chunk {part}, cached {cached}");
        assert!(cached <= 1.1 * part, "{device:?}: {cached} bytes, one chunk alone {part}");
        assert!(cached <= 0.25 * whole, "{device:?}: {cached} bytes, the whole batch {whole}");
    }
}
