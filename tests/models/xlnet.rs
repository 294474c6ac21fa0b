//! XLNet's properties that need no other framework: what a stream must not know, and what memory stands for.

use serde_json::json;
use wgrad_engine::testing::{devices, normal};
use wgrad_engine::weights::{Declarations, Weights};
use wgrad_engine::{Device, Tensor};
use wgrad_models::bert;
use wgrad_models::xlnet::{Config, Inputs, Reading, Text};
use wgrad_models::{Mode, XlNet};

const TOKENS: usize = 7;
pub const WIDTH: usize = 16;

pub fn model(device: &Device, attn_type: &str) -> (XlNet, Weights) {
    let json = json!({
        "vocab_size": 40, "d_model": WIDTH, "n_layer": 2, "n_head": 2, "d_inner": 24, "attn_type": attn_type,
        "initializer_range": 0.3,
    });
    let rest = json.as_object().expect("an object").clone();
    let published = bert::Config { vocab_size: 40, rest, ..bert::Config::default() };
    let config = Config::read(&published).expect("a configuration");
    let mut d = Declarations::default();
    let model = XlNet::declare(&mut d, config);
    (model, Weights::allocate(device, d, 5))
}

/// One row of `TOKENS` tokens.
pub fn text<'a>(ids: &'a [u32], visible: &'a [u32]) -> Text<'a> {
    let shape = [1, ids.len()];
    Text { shape, reading: Reading::Forward, ids, segments: None, visible, places: None }
}

/// Bits of one row: token i is predicted from token j where `sees(i, j)`.
pub fn bits(tokens: usize, sees: impl Fn(usize, usize) -> bool) -> Vec<u32> {
    let row = |i: usize| (0..tokens).map(|j| u32::from(sees(i, j)) << j).sum();
    (0..tokens).map(row).collect()
}

#[test]
fn a_target_knows_neither_itself_nor_what_comes_later() {
    // Token 2 is predicted first, then 5, then 1; the others are given.
    let rank = |token: usize| [2, 5, 1].iter().position(|&target| target == token);
    let sees = |i: usize, j: usize| match (rank(i), rank(j)) {
        (_, None) => true,
        (Some(i), Some(j)) => j < i,
        (None, Some(_)) => false,
    };
    for device in devices() {
        let (model, _weights) = model(&device, "bi");
        let states = |ids: &[u32]| {
            let text = Text {
                shape: [1, TOKENS],
                ids,
                reading: Reading::Forward,
                segments: None,
                visible: &bits(TOKENS, sees),
                places: Some(&[Some(2), Some(5), Some(1)]),
            };
            let inputs =
                Inputs::new(&device, &model.config, &text, Vec::new()).expect("ids below V");
            model.predict(&inputs, &Mode::evaluation()).hidden.to_f32()
        };
        let ids = [11, 12, 13, 14, 15, 16, 17];
        let before = states(&ids);
        // Which of the three targets must change when a token does.
        for (token, changes) in [
            (0, [true, true, true]),
            (2, [false, true, true]),
            (5, [false, false, true]),
            (1, [false, false, false]),
        ] {
            let mut other = ids;
            other[token] = 30;
            let after = states(&other);
            for (target, expected) in changes.into_iter().enumerate() {
                let at = target * WIDTH..(target + 1) * WIDTH;
                let differs = before[at.clone()] != after[at];
                assert_eq!(differs, expected, "{device:?}: token {token}, target {target}");
            }
        }
    }
}

#[test]
fn an_order_that_hides_nothing_is_the_content_stream_alone() {
    let device = Device::cpu();
    let (model, _weights) = model(&device, "bi");
    let ids = [11, 12, 13, 14, 15, 16, 17];
    let all = bits(TOKENS, |_, _| true);
    let but_itself = bits(TOKENS, |i, j| i != j);
    let states = |visible: &[u32]| {
        let text = text(&ids, visible);
        let inputs = Inputs::new(&device, &model.config, &text, Vec::new()).expect("ids below V");
        model.forward(&inputs, &Mode::evaluation()).to_f32()
    };
    assert_eq!(states(&all), states(&but_itself), "a token of the content stream sees itself");
}

#[test]
fn what_memory_hides_from_no_one_changes_what_is_predicted() {
    for device in devices() {
        let (model, _weights) = model(&device, "uni");
        let ids = [11, 12, 13, 14, 15, 16, 17];
        let all = bits(TOKENS, |_, _| true);
        let text = text(&ids, &all);
        let states = |memory: Vec<Tensor>| {
            let inputs = Inputs::new(&device, &model.config, &text, memory).expect("ids below V");
            model.forward(&inputs, &Mode::evaluation()).to_f32()
        };
        let memory = |seed: u64| {
            let layer = |l| Tensor::f32(&device, [1, 3, WIDTH], &normal(3 * WIDTH, seed + l));
            vec![layer(0), layer(1)]
        };
        let first = |states: &[f32]| states[..WIDTH].to_vec();
        let (one, other, none) = (states(memory(1)), states(memory(9)), states(Vec::new()));
        assert_ne!(first(&one), first(&other), "{device:?}: the first token sees memory");
        assert_ne!(first(&one), first(&none), "{device:?}");
        // Left to right, the first token of a text does not see the others.
        let mut changed = ids;
        changed[6] = 30;
        let text = Text { ids: &changed, ..text };
        let inputs = Inputs::new(&device, &model.config, &text, Vec::new()).expect("ids below V");
        let after = model.forward(&inputs, &Mode::evaluation()).to_f32();
        assert_eq!(after[..6 * WIDTH], none[..6 * WIDTH], "{device:?}");
        assert_ne!(after[6 * WIDTH..], none[6 * WIDTH..], "{device:?}");
    }
}
