//! GPT-2's properties that need no other framework: what a token must not know, what padding must not change, and how
//! sharp cpt's scores may become.

use serde_json::json;
use wgrad::train::objective::{CptObjective, Objective};
use wgrad_engine::testing::{assert_close, devices, wide};
use wgrad_engine::weights::{Declarations, Weights};
use wgrad_engine::{Device, Tensor};
use wgrad_models::encoder::declare;
use wgrad_models::{Encoder, Mode, Pooling, Retriever, Similarity, Tokens, Visible, bert, gpt2};

const WIDTH: usize = 16;

fn config() -> bert::Config {
    let json = json!({
        "vocab_size": 40, "n_embd": WIDTH, "n_layer": 2, "n_head": 2, "n_positions": 24, "initializer_range": 0.3,
    });
    let rest = json.as_object().expect("an object").clone();
    let config = bert::Config { model_type: "gpt2".into(), rest, ..bert::Config::default() };
    gpt2::Config::read(&config).expect("a configuration").published
}

fn model(device: &Device) -> (Box<dyn Encoder>, Weights) {
    let mut d = Declarations::default();
    let model = declare(&mut d, config()).expect("a configuration");
    (model, Weights::allocate(device, d, 5))
}

fn tokens(device: &Device, rows: usize, ids: &[u32], lengths: &[u32]) -> Tokens {
    let shape = [rows, ids.len() / rows];
    Tokens::new(device, &config(), shape, ids, None, Visible::Lengths(lengths))
        .expect("ids below V")
}

#[test]
fn a_state_does_not_know_what_follows() {
    let ids = [11, 12, 13, 14, 15, 16, 17];
    for device in devices() {
        let (model, _weights) = model(&device);
        let states = |ids: &[u32]| {
            model.forward(&tokens(&device, 1, ids, &[7]), &Mode::evaluation()).to_f32()
        };
        let before = states(&ids);
        for changed in 0..ids.len() {
            let mut other = ids;
            other[changed] = 30;
            let after = states(&other);
            for token in 0..ids.len() {
                let at = token * WIDTH..(token + 1) * WIDTH;
                let differs = before[at.clone()] != after[at];
                assert_eq!(differs, token >= changed, "{device:?}: {token} after {changed}");
            }
        }
    }
}

#[test]
fn padding_does_not_change_the_vector_of_a_text() {
    for device in devices() {
        let (encoder, _weights) = model(&device);
        let (pooling, similarity) = (Pooling::Last, Similarity::Cosine);
        let model = Retriever { encoder, pooling, similarity };
        let vectors = |rows, ids: &[u32], lengths: &[u32]| {
            let tokens = tokens(&device, rows, ids, lengths);
            model.forward(&tokens, &Mode::evaluation()).0.to_f32()
        };
        let alone = vectors(1, &[11, 12, 13], &[3]);
        let padded = vectors(2, &[11, 12, 13, 0, 0, 21, 22, 23, 24, 25], &[3, 5]);
        let otherwise = vectors(2, &[11, 12, 13, 7, 9, 21, 22, 23, 24, 25], &[3, 5]);
        let context = format!("{device:?}");
        assert_close(&padded[..WIDTH], &wide(&alone), 1e-6, &context);
        assert_eq!(padded, otherwise, "{context}: padding has no content");
        let length: f32 = alone.iter().map(|x| x * x).sum();
        assert!((length - 1.0).abs() < 1e-5, "{context}: a vector of squared length {length}");
    }
}

#[test]
fn scores_are_multiplied_by_at_most_a_hundred() {
    for device in devices() {
        let mut objective = CptObjective::new(&device, config(), 1, 7).expect("a configuration");
        let scale = objective.logit_scale.clone();
        assert!((scale.to_f32()[0] - (1.0_f32 / 0.07).ln()).abs() < 1e-6);
        for (stepped, expected) in [(9.0, 100_f32.ln()), (-0.5, 0.0), (2.5, 2.5), (0.0, 0.0)] {
            objective.weights_mut().set(&scale, &Tensor::f32(&device, [], &[stepped]));
            objective.constrain();
            assert_eq!(scale.to_f32(), [expected], "{device:?}: from {stepped}");
        }
        let words: usize = objective.weights().params().iter().map(|p| p.to_f32().len()).sum();
        assert_eq!(words, objective.weights().elements(), "nothing else was written over");
    }
}
