//! Heads for labels: what padding and the other texts of a batch must not change, and what token types must.

use serde_json::json;
use wgrad_engine::testing::devices;
use wgrad_engine::weights::{Declarations, Weights};
use wgrad_engine::{Device, ops::Rows};
use wgrad_models::bert::Config;
use wgrad_models::labels::{labels, with_labels};
use wgrad_models::{Labelled, Labeller, Mode, Tokens, Visible};

const ARCHITECTURES: [&str; 3] = ["bert", "electra", "xlnet"];

fn config(model_type: &str) -> Config {
    let rest = json!({
        "embedding_size": 12, "vocab_size": 40, "d_model": 16, "n_layer": 2, "n_head": 2, "d_inner": 24,
        "initializer_range": 0.3,
    });
    let config = Config {
        vocab_size: 40,
        hidden_size: 16,
        num_hidden_layers: 2,
        num_attention_heads: 2,
        intermediate_size: 24,
        initializer_range: 0.3,
        model_type: model_type.into(),
        rest: rest.as_object().expect("an object").clone(),
        ..Config::default()
    };
    with_labels(&config, &["no".into(), "yes".into(), "perhaps".into()], None)
}

fn labeller(device: &Device, model_type: &str, of: Labelled) -> (Labeller, Weights) {
    let mut d = Declarations::default();
    let model = Labeller::declare(&mut d, config(model_type), of).expect("a configuration");
    (model, Weights::allocate(device, d, 5))
}

/// Scores of the first text of a batch, its first tokens where these are labelled.
fn scores(
    (device, model): (&Device, &Labeller),
    shape: [usize; 2],
    (ids, types): (&[u32], &[u32]),
    lengths: &[u32],
    tokens: Option<usize>,
) -> Vec<f32> {
    let (config, visible) = (model.encoder.config(), Visible::Lengths(lengths));
    let batch = Tokens::new(device, config, shape, ids, Some(types), visible).expect("ids below V");
    let places: Option<Vec<u32>> = tokens.map(|tokens| (0..tokens as u32).collect());
    let places =
        places.map(|rows| Rows::new(device, &rows, shape[0] * shape[1]).expect("they increase"));
    let (states, _) = model.states(&batch, places.as_ref(), &Mode::evaluation());
    let all = model.scores(&states).to_f32();
    all[..3 * tokens.unwrap_or(1)].to_vec()
}

#[test]
fn padding_and_other_texts_change_no_score() {
    let (text, types) = ([11, 12, 13, 14, 15], [0, 0, 1, 1, 1]);
    let padded = [11, 12, 13, 14, 15, 0, 0, 0, 21, 22, 23, 24, 25, 26, 27, 28];
    let padded_types = [0, 0, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1];
    for device in devices() {
        for model_type in ARCHITECTURES {
            for (of, tokens) in [(Labelled::Texts, None), (Labelled::Tokens, Some(5))] {
                let (model, _weights) = labeller(&device, model_type, of);
                let model = (&device, &model);
                let alone = scores(model, [1, 5], (&text, &types), &[5], tokens);
                let among = scores(model, [2, 8], (&padded, &padded_types), &[5, 8], tokens);
                for (a, b) in alone.iter().zip(&among) {
                    let context = format!("{model_type}, {of:?} on {device:?}");
                    assert!((a - b).abs() < 1e-5, "{context}: {alone:?} and {among:?}");
                }
                let other = [0, 0, 0, 1, 1];
                let moved = scores(model, [1, 5], (&text, &other), &[5], tokens);
                assert_ne!(alone, moved, "{model_type}: token types must count");
            }
        }
    }
}

#[test]
fn names_of_labels_are_read_as_they_are_written() {
    let names = |config: &Config| labels(config).expect("names");
    assert_eq!(names(&config("bert")), ["no", "yes", "perhaps"]);
    assert_eq!(names(&Config::default()), ["LABEL_0", "LABEL_1"], "transformers' default");
    let mut broken = config("bert");
    broken.rest.insert("id2label".into(), json!({"0": "no", "2": "yes"}));
    let error = labels(&broken).expect_err("1 has no name");
    assert!(error.contains("id2label"), "{error}");
}

#[test]
fn another_summary_of_xlnet_is_refused() {
    let mut config = config("xlnet");
    config.rest.insert("summary_type".into(), json!("mean"));
    let declared = Labeller::declare(&mut Declarations::default(), config, Labelled::Texts);
    let error = declared.err().expect("a mean is no last token");
    assert_eq!(error, "summary_type is \"mean\", expected \"last\"");
}
